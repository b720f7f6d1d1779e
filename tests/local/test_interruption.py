"""A run that is ended from outside: nothing of it goes on, and it says what became of it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from argo.local import process
from tests.local.conftest import Repository, script, workflow
from tests.local.test_code_version import CLONE

LONG = 120  # seconds: a busy machine is slow, and no failure
SLOW = workflow(
    slow=script(
        """
        echo x > /outputs/d/x
        trap 'echo ended by TERM; exit 1' TERM
        exec -a MARK sleep 300 & touch /storage/started; wait
        """,
        outputs="{d: {type: dataset, with: {ref: d}}}",
    ),
    after=script("true", needs="[slow]"),
)


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline, f"waited for {LONG} seconds"
        time.sleep(0.02)


def processes(mark: str) -> list[str]:
    ids = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else []
        except OSError:
            continue
        if mark.encode() in words:
            ids.append(folder.name)
    return ids


@pytest.fixture
def mark() -> str:
    return f"textgen-test-{os.urandom(6).hex()}"


@pytest.fixture
def started(repository: Repository, mark: str) -> Iterator["subprocess.Popen[str]"]:
    """A run whose job is in the middle of its work."""
    repository.write(".gradient/workflows/work.yaml", SLOW.replace("MARK", mark))
    run = subprocess.Popen(
        [sys.executable, "-m", "argo", "run", ".gradient/workflows/work.yaml"],
        cwd=repository.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with run:
        eventually(lambda: (repository.root / ".textgen/storage/started").exists() and bool(processes(mark)))
        yield run
        run.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_jobs_and_makes_no_version(
    repository: Repository, started: "subprocess.Popen[str]", mark: str, number: signal.Signals
) -> None:
    started.send_signal(number)
    out, err = started.communicate(timeout=LONG)
    assert started.returncode == 128 + number
    hint, end = err.splitlines()[-2:]
    assert hint.startswith("to run the jobs that are left: textgen retry work-")
    assert end == "textgen: interrupted; jobs that had not finished made no version"
    assert "slow  | ended by TERM" in out
    assert not processes(mark)
    assert repository.datasets.datasets() == []
    listed = repository.textgen("list").stdout
    assert "Failed" in listed
    assert not list(repository.root.glob(".textgen/runs/*/jobs/*/outputs"))


def test_a_killed_run_leaves_no_process_and_is_shown_as_failed(
    repository: Repository, started: "subprocess.Popen[str]", mark: str
) -> None:
    assert "Running" in repository.textgen("list").stdout
    started.kill()
    started.communicate(timeout=LONG)
    eventually(lambda: not processes(mark))
    (name,) = (folder.name for folder in (repository.root / ".textgen/runs").iterdir())
    shown = repository.textgen("get", name).stdout
    assert "interrupted: its process is gone" in shown
    assert "Omitted" in shown
    assert repository.datasets.datasets() == []


def test_a_signal_that_comes_too_late_changes_nothing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end_and_signal(work: Coroutine[Any, Any, None], _folder: Path) -> int:
        await work
        return signal.SIGINT

    monkeypatch.setattr("argo.local.runner._until_asked", end_and_signal)
    assert repository.run(workflow(job=script("true"))).record.phase == "Succeeded"


def test_a_run_that_can_not_begin_leaves_nothing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_root: Path, target: Path, *_: object) -> None:
        target.mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr("argo.repository.snapshot_working_tree", interrupt)
    with pytest.raises(KeyboardInterrupt):
        repository.run(workflow(clone=CLONE))
    assert list((repository.root / ".textgen/runs").iterdir()) == []


def test_a_job_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path, mark: str) -> None:
    """The supervisor by itself, with a command that ignores SIGTERM and leaves a process behind."""
    text = f"trap '' TERM; (exec -a {mark} sleep 300) & touch started; while :; do sleep 1; done"
    supervisor = (
        Path(sys.modules["argo.local.supervisor"].__file__ or "")
        .read_text()
        .replace("GRACE = 5.0", "GRACE = 0.2")
    )
    (tmp_path / "supervisor.py").write_text(supervisor)
    words = [sys.executable, "supervisor.py", "2", "touch", "released", "bash", "-c", text]
    with subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE) as supervised:
        eventually(lambda: (tmp_path / "started").exists() and bool(processes(mark)))
        assert supervised.stdin
        supervised.stdin.close()
        try:
            assert supervised.wait(LONG) == 128 + signal.SIGKILL
        finally:
            supervised.kill()
    assert (tmp_path / "released").exists()
    eventually(lambda: not processes(mark))  # killed, but nobody's child


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_daemon_that_holds_the_output_does_not_hold_up_the_end(
    mark: str, monkeypatch: pytest.MonkeyPatch, *, cancelled: bool
) -> None:
    """Without a sandbox it may outlive the job."""
    monkeypatch.setattr("argo.local.supervisor.GRACE", 0.2)
    sleep = f"sleep {2 * LONG}"
    text = f"setsid bash -c 'exec -a {mark} {sleep}' & until pgrep -f '^{mark}'; do sleep 0.01; done; echo x"
    command = process.supervised(["bash", "-c", f"{text}; {sleep if cancelled else 'true'}"])

    async def run() -> list[str]:
        lines: list[str] = []
        running = asyncio.create_task(process.run_process(command, env=os.environ, write_line=lines.append))
        while cancelled and "x" not in lines:
            await asyncio.sleep(0.01)
        if cancelled:
            running.cancel()
        await asyncio.wait([running], timeout=LONG)
        assert running.done()
        return lines

    try:
        assert asyncio.run(run())[-1] == "x"
    finally:
        for each in processes(mark):
            os.kill(int(each), signal.SIGKILL)


def test_a_log_that_can_not_be_written_ends_the_job(mark: str) -> None:
    def full(_line: str) -> None:
        raise OSError(28, "No space left on device")

    command = process.supervised(["bash", "-c", f"echo x; exec -a {mark} sleep 300"])
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(process.run_process(command, env=os.environ, write_line=full))
    assert not processes(mark)


@pytest.mark.parametrize("said", ["Running", "ready"])
def test_a_run_whose_output_is_closed_ends_and_says_so(repository: Repository, said: str) -> None:
    """As that of `textgen run FILE | head` is: at the first line after the one that `said` stands in."""
    slow = workflow(
        slow=script("echo ready; for i in $(seq 600); do sleep 0.2; echo more; done"),
        after=script("true", needs="[slow]"),
    )
    repository.write(".gradient/workflows/work.yaml", slow)
    command = [sys.executable, "-m", "argo", "run", ".gradient/workflows/work.yaml"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        command, cwd=repository.root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout and run.stderr
        assert any(said in line for line in run.stdout)
        run.stdout.close()
        assert run.stderr.read() == "textgen: the standard output was closed: the run was ended\n"
    assert run.returncode == 2
    (record,) = json.loads(repository.textgen("list", "-o", "json").stdout)
    assert (record["phase"], record["message"]) == ("Failed", "the standard output was closed")
    assert record["jobs"]["slow"]["message"] == "the standard output was closed"
    assert [job["phase"] for job in record["jobs"].values()] == ["Failed", "Omitted"]
