"""A job that is written to get out changes nothing outside of `.textgen`, whoever runs it."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.local.conftest import Repository, script, workflow
from tests.local.test_ordinary_user import NOBODY, python_of_nobody

ROOT = Path(__file__).parents[2]
JOB = Path(__file__).with_name("hostile_job.py")
KERNEL = (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/swappiness",
    "/proc/mounts",
)


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
            for path in (self.repository.root, *self.repository.root.rglob("*")):
                os.chown(path, self.uid, self.uid, follow_symlinks=False)

    def run(self) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self.command, "-m", "argo", "run", "work.yaml"],
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
def user(request: pytest.FixtureRequest, repository: Repository, tmp_path: Path) -> User:
    is_root = os.geteuid() == 0
    if request.param == "root":
        if not is_root:
            pytest.skip("needs root")
        return User(repository, [sys.executable], dict(os.environ), 0)
    if not is_root:
        return User(repository, [sys.executable], dict(os.environ), os.geteuid())
    site = [path for path in sys.path if "site-packages" in path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *site])}
    environment |= {"HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    os.chown(tmp_path / "home", 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    return User(repository, [*NOBODY, python_of_nobody(environment)], environment, 65534)


@pytest.fixture
def victim() -> Iterator[int]:
    """A process of the machine."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        assert process.poll() is None, "killed"
        process.kill()


@pytest.fixture
def abstract_socket() -> Iterator[str]:
    name = f"textgen-test-{os.urandom(6).hex()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        yield name


def look(folder: Path) -> list[str]:
    """What a job could have changed: files beside its own, settings of the kernel, mounts."""
    files = [path for path in folder.rglob("*") if ".textgen" not in path.parts]
    modes = [f"{path} {path.lstat().st_mode:o}" for path in files]
    return [*modes, *(path.read_text() for path in map(Path, KERNEL)), *contents(files)]


def contents(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()]


def lines(log: str, word: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith(word)]


CLONE = "outputs: {repo: {type: volume}}\nuses: git-checkout@v1\nwith: {url: context.event.github.url}"


def test_no_attempt_to_get_out_succeeds(
    user: User, victim: int, abstract_socket: str, tmp_path: Path
) -> None:
    shutil.copy(JOB, user.repository.root)
    secret = tmp_path / "home/secret"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("private")
    private = [secret, user.repository.root / ".git", ROOT / "pyproject.toml"]
    private += map(Path, ("/etc/shadow", "/run/dbus", "/root/.ssh"))
    words = " ".join(map(str, [victim, abstract_socket, *private]))
    job = script(
        f"python3 /inputs/repo/{JOB.name} {words}", needs="[clone]", inputs="{repo: clone.outputs.repo}"
    )
    text = workflow(clone=CLONE, job=job)
    user.write(text)
    before = look(tmp_path)
    done = user.run()
    log = user.log()
    assert "end of the attempts" in log, log
    assert lines(log, "DONE") + lines(log, "UNCLEAR") == [], log
    assert len(lines(log, "refused")) > 60
    assert look(tmp_path) == before
    assert "\033" not in done.stdout
