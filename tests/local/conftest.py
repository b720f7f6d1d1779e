import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

import pytest

from argo.cli.progress import SilentReporter
from argo.language import load
from argo.local.plan import make_plan
from argo.local.runner import run_plan
from argo.local.runtime import Runtime
from argo.local.sandbox import Sandbox
from argo.runs import RunRecord
from job.datasets import DatasetRef, Datasets, Manifest
from job.errors import InputError
from tests.git import committed, git, no_configuration

__all__ = ["no_configuration"]

# Prompts of a generation
ROWS = "".join(json.dumps({"id": f"row {n}", "prompt": f"word {n}"}) + "\n" for n in range(5))

# Stands in for docker: keeps what it was called with.
DOCKER = """#!/usr/bin/env python3
import json, os, subprocess, sys
if sys.argv[1] == "version": sys.exit(0)
with open(os.environ["CALLS"], "a") as file:
    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=file)
"""


def script(text: str, **keys: str) -> str:
    """A job that runs a script; `keys` are its other keys as YAML in one line."""
    more = "".join(f"{key}: {value}\n" for key, value in keys.items())
    return f"{more}uses: script@v1\nwith:\n  image: some/image\n  script: |-\n{indent(dedent(text), '    ')}"


def workflow(**jobs: str) -> str:
    """A file with these jobs."""
    return "jobs:\n" + "".join(
        f"  {name}:\n{indent(dedent(text).strip(), '    ')}\n" for name, text in jobs.items()
    )


@dataclass(frozen=True)
class Outcome:
    """A run that has ended."""

    record: RunRecord
    folder: Path

    def log(self, job: str) -> str:
        return (self.folder / "jobs" / job / "log").read_text("utf-8")

    def phases(self) -> dict[str, str]:
        return {name: str(job.phase) for name, job in self.record.jobs.items()}


@dataclass(frozen=True)
class Repository:
    """A git repository of a test's own."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def commit(self) -> str:
        return committed(self.root)

    def run(
        self,
        text: str,
        *,
        runtime: Runtime | None = None,
        parameters: Mapping[str, str] | None = None,
        ref: str | None = None,
        secrets: Path | None = None,
        env: Collection[str] = (),
    ) -> Outcome:
        """Run a workflow file with this text, in this process."""
        file = self.write(".gradient/workflows/work.yaml", text)
        plan = make_plan(
            load(file), runtime or Sandbox(), parameters=parameters or {}, ref=ref, secrets=secrets, env=env
        )
        run = run_plan(plan, str(file), SilentReporter())
        return Outcome(run.record, run.folder)

    @property
    def datasets(self) -> Datasets:
        return Datasets.at((self.root / ".textgen/datasets").as_uri())

    def files(self, reference: str) -> dict[str, str]:
        """The text of each file of a version."""
        target = self.root.parent / f"got-{os.urandom(4).hex()}"
        self.datasets.fetch(self.datasets.resolve(DatasetRef.parse(reference)), target)
        return {
            str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()
        }

    def manifest(self, reference: str) -> Manifest:
        return self.datasets.manifest(self.datasets.resolve(DatasetRef.parse(reference)))

    def textgen(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Call the command in the repository."""
        return subprocess.run(
            [sys.executable, "-m", "argo", *words],
            cwd=self.root,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Repository], str]:
    """An https URL for a repository, which git finds by its configuration."""

    def serve(repository: Repository) -> str:
        url = f"https://host.invalid/you/{repository.root.name}.git"
        (tmp_path / "gitconfig").write_text(f'[url "{repository.root.as_uri()}"]\n insteadOf = {url}\n')
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
        return url

    return serve


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[[str], Repository]:
    def make(name: str) -> Repository:
        root = tmp_path / name
        root.mkdir()
        git(root, "init", "--quiet", "--initial-branch=main")
        return Repository(root)

    return make


@pytest.fixture
def repository(make_repository: Callable[[str], Repository]) -> Repository:
    return make_repository("repository")


@pytest.fixture
def questions(repository: Repository, make: Callable[..., Path]) -> Repository:
    """A repository with the dataset `questions`."""
    (repository.root / ".textgen").mkdir()
    repository.datasets.commit_version(DatasetRef("questions"), make({"p.jsonl": ROWS}), lineage={})
    return repository


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the calls of a docker that does nothing."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's or the user's configuration."""
    for name in ("TEXTGEN_STORE", "HF_HUB_CACHE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CACHE_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture(scope="session", autouse=True)
def _sandbox() -> Iterator[None]:
    try:
        Sandbox().check()
    except InputError as error:
        pytest.skip(str(error))
    yield
