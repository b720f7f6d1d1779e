"""`textgen trigger poll`: what it says, one line each, and its exit status."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import argo.cli.trigger
from argo.cli import main
from argo.trigger.remote_repository import RemoteRepository
from job.errors import ClusterError
from tests.trigger.conftest import Remote, World, workflow


@pytest.fixture
def poll(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Poll":
    monkeypatch.setattr(argo.cli.trigger, "connect", lambda *_: world.cluster)
    for name in ("TEXTGEN_GIT_PASSWORD", "TEXTGEN_STATUS_TOKEN", "TEXTGEN_REPOSITORIES"):
        monkeypatch.delenv(name, raising=False)
    return Poll(world, capsys)


class Poll:
    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.world, self._capsys = world, capsys

    def __call__(self, *words: str, status: int = 0) -> tuple[list[str], list[str]]:
        """The lines of its output and of its errors."""
        with pytest.raises(SystemExit) as ended:
            main(["trigger", "poll", "--store", self.world.store.url, *words])
        out, err = self._capsys.readouterr()
        assert ended.value.code == status, err
        return out.splitlines(), err.splitlines()


@pytest.fixture
def dead() -> Iterator[str]:
    """The URL of a host that takes what is sent, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"https://127.0.0.1:{server.getsockname()[1]}/texts.git"


def test_a_dead_host_is_one_line_and_the_others_are_polled(
    poll: Poll, remote: Remote, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_repository(url: str, folder: Path, environ: Any, timeout: float) -> RemoteRepository:
        """For one that answers, a second is short on a busy machine."""
        return RemoteRepository(url, folder, environ, timeout if url == dead else 60)

    monkeypatch.setattr("argo.trigger.poll.RemoteRepository", open_repository)
    remote.push({"a.yaml": workflow()})
    out, err = poll(dead, remote.url, "--timeout", "1", status=1)
    assert err == [f"textgen: {dead}: git has not answered for 1 s"]
    assert len(out) == len(poll.world.cluster.started) == 1


def test_a_timeout_leaves_no_process(poll: Poll, dead: str) -> None:
    poll(dead, "--timeout", "1", status=1)
    deadline = time.monotonic() + 60
    while remaining := [
        each for each in Path("/proc").glob("[0-9]*/cmdline") if dead.encode() in _read(each)
    ]:
        assert time.monotonic() < deadline, remaining
        time.sleep(0.02)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("--upload-pack=touch x", "is not an https, http, ssh, git or file URL or a path"),
        ("ext::sh -c 'touch x'", "is not an https, http, ssh, git or file URL or a path"),
        ("http://me:hush@git.example/a/b", "http://git.example/a/b: a password is not sent over http"),
        ("https://git.example/a\nb", "is not an https, http, ssh, git or file URL or a path"),
        ("https://[git.example/a/b", "is not an https, http, ssh, git or file URL or a path"),
    ],
)
def test_an_invalid_address_is_one_line_and_the_others_are_polled(
    poll: Poll, remote: Remote, url: str, said: str
) -> None:
    remote.push({"a.yaml": workflow()})
    out, err = poll("--", url, remote.url, status=2)
    assert said in "\n".join(err)
    assert len(out) == 1


def test_a_missing_repository_is_one_line(poll: Poll, tmp_path: Path) -> None:
    _, (line,) = poll((tmp_path / "none").as_uri(), status=1)
    assert line.endswith("does not appear to be a git repository")


def test_repositories_come_from_the_environment_too(
    poll: Poll, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.push({"a.yaml": workflow()})
    monkeypatch.setenv("TEXTGEN_REPOSITORIES", f"  {remote.url}\n{remote.work}\n")
    poll()
    assert len(poll.world.cluster.started) == 1


@pytest.mark.parametrize("name", ["TEXTGEN_GIT_PASSWORD", "TEXTGEN_STATUS_TOKEN"])
def test_a_password_is_for_one_host_only(poll: Poll, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "hush")
    _, err = poll("https://one.example/a/b", "git@two.example:a/b", status=2)
    assert err == [
        f"textgen: {name} is for one host, not for one.example and two.example: poll each host separately"
    ]


def test_a_cluster_that_does_not_answer_ends_the_poll(
    poll: Poll, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise ClusterError("the cluster at https://x does not answer: timed out")

    monkeypatch.setattr(poll.world.cluster, "list_items", silent)
    _, err = poll(remote.url, status=1)
    assert err == ["textgen: the cluster at https://x does not answer: timed out"]


def test_a_cluster_without_argo_is_one_line(poll: Poll, remote: Remote) -> None:
    poll.world.cluster.installed = False
    _, (line,) = poll(remote.url, status=2)
    assert line.startswith("textgen: can't run on fake/texts: https://fake has no Argo Workflows")


def test_the_command_imports_nothing_large() -> None:
    large = {"hera", "boto3", "kubernetes", "yaml"}
    words = f"import sys, argo.cli.trigger; sys.exit(str({large} & set(sys.modules) or '') or 0)"
    subprocess.run([sys.executable, "-c", words], check=True)
