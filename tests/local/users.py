"""Runs workflows as root and as an ordinary user, if tests run as root."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.git import git
from tests.local.conftest import Repository

ROOT = Path(__file__).parents[2]
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", 'exec "$0" "$@"')


def python_of_nobody(environment: dict[str, str]) -> str:
    """A Python that another user can start and that finds this package."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to become another user")
    for python in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin") or ""):
        words = [*NOBODY, python, "-c", "import sys, argo.local.runner; assert sys.version_info >= (3, 11)"]
        if subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip("no Python 3.11 that another user can start")


@dataclass(frozen=True)
class User:
    """Runs workflows in the repository, as root or as an ordinary user."""

    repository: Repository
    command: list[str]
    environment: dict[str, str]
    uid: int

    def write(self, text: str) -> None:
        """Write the workflow file, and give the user what this process has made."""
        self.repository.write("work.yaml", text)
        if self.uid != os.geteuid():
            for path in self.repository.root.parent.rglob("*"):
                os.chown(path, self.uid, self.uid, follow_symlinks=False)

    def run(self, *prefix: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*prefix, *self.command, "-m", "argo", "run", "work.yaml"],
            cwd=self.repository.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def log(self, job: str = "job") -> str:
        (log,) = (self.repository.root / ".textgen/runs").glob(f"*/jobs/{job}/log")
        return log.read_text("utf-8")


@pytest.fixture(params=["root", "ordinary"])
def user(request: pytest.FixtureRequest) -> Iterator[User]:
    uid = os.geteuid()
    if request.param == "root" and uid != 0:
        pytest.skip("needs root")
    with tempfile.TemporaryDirectory(prefix="textgen-test-") as name:  # pytest's are closed to other users
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "home").mkdir()
        (folder / "repository").mkdir()
        git(folder / "repository", "init", "--quiet", "--initial-branch=main")
        repository = Repository(folder / "repository")
        environment = {**os.environ, "HOME": str(folder / "home")}
        if request.param == "root" or uid != 0:
            yield User(repository, [sys.executable], environment, uid)
            return
        site = [path for path in sys.path if "site-packages" in path]
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *site])
        yield User(repository, [*NOBODY, python_of_nobody(environment)], environment, 65534)
