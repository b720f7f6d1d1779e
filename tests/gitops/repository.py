"""A repository as users have it: a workflow that keeps the settings of its commit in a dataset."""

from pathlib import Path

from tests.git import committed, git

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
        git(folder, "init", "-q", "--bare", "-b", "main", str(bare))
        git(folder, "init", "-qb", "main")
        git(folder, "remote", "add", "origin", str(bare))
        self.push("seed = 42\n")
        git(folder, "remote", "set-url", "origin", url)
        git(folder, "remote", "set-url", "--push", "origin", str(bare))

    def push(self, settings: str) -> str:
        """Change the settings, commit all, push; the commit."""
        (self.folder / "settings.toml").write_text(settings, "utf-8")
        commit = committed(self.folder)
        git(self.folder, "push", "-q", "origin", "HEAD:main")
        return commit
