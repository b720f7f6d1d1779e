"""A repository as users have it: a workflow that keeps the settings of its commit in a dataset."""

import subprocess
from pathlib import Path

FILE = ".gradient/workflows/nlp-text-generation.yaml"
DATASET = "settings"
FLOW = """\
on: {github: {branches: {only: main}}}
inputs:
  word: {type: string, with: {value: ""}}
jobs:
  clone:
    uses: git-checkout@v1
    outputs: {repo: {type: volume}}
    with: {url: context.event.github.url, ref: context.event.github.ref}
  keep:
    uses: script@v1
    needs: [clone]
    inputs: {repo: clone.outputs.repo, word: workflow.inputs.word}
    outputs: {kept: {type: dataset, with: {ref: settings}}}
    with:
      image: debian:12
      script: cat /inputs/word /inputs/repo/settings.toml > /outputs/kept/outputs.txt
"""


class Repository:
    """A working tree at `folder`, with its remote, a bare repository at `bare`, which `url` serves."""

    def __init__(self, folder: Path, bare: Path, url: str) -> None:
        self.folder, self.url = folder, url
        (folder / FILE).parent.mkdir(parents=True)
        (folder / FILE).write_text(FLOW, "utf-8")
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
        self.git("init", "-qb", "main")
        self.git("remote", "add", "origin", str(bare))
        self.push("seed = 42\n")
        self.git("remote", "set-url", "origin", url)
        self.git("remote", "set-url", "--push", "origin", str(bare))

    def push(self, settings: str) -> str:
        """Change the settings, commit all, push; the commit."""
        (self.folder / "settings.toml").write_text(settings, "utf-8")
        self.git("add", "-A")
        self.git("commit", "-qm", "Change a setting")
        self.git("push", "-q", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def git(self, *words: str) -> str:
        author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        command = ["git", "-C", str(self.folder), *author, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
