"""`store` and `commit`: one asks, the other stores, and either may be killed in between."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from job.datasets import DatasetRef, Datasets
from job.errors import CommitError, StoreError
from job.log_lines import read_lines, split_time
from job.pod import commit, handoff
from job.pod import store as pod_store
from job.pod.commit import store_outputs
from job.pod.handoff import (
    End,
    find_next_look,
    is_requested,
    read_end,
    request_outputs,
    wait_for_end,
    write_end,
)
from job.pod.logs import LogWriter, list_logs, log_prefix, read_parts
from job.pod.outputs import DatasetOutput, ShardOutput, StringOutput
from job.pod.shards import parts
from job.pod.shards.keys import Shards
from job.pod.shards.parts import POSITION, PartSender, Position, write_position
from job.pod.spec import RUN, RUN_NAME, SHARD, SPEC, CommitSpec, StoreSpec
from job.pod.store import KeptLogs, Sidecar, open_sender
from job.project import STORE_VARIABLE

LONG = 60  # seconds: a busy machine is slow, and no failure

COMPLETED = {
    "state": "completed",
    "rows": 1,
    "run": {},
    "settings": {"format": "jsonl", "max_errors": 0},
    "counts": {"texts": 1, "errors": 0, "finish_reasons": {}, "prompt_tokens": 1, "new_tokens": 1},
    "new_tokens": 1,
    "left_out": 0,
    "seconds": 0.5,
    "started": "2026-01-01T00:00:00+00:00",
    "finished": "2026-01-01T00:00:01+00:00",
}


class Pod:
    """A pod's folders and its store; `start` runs a process of its sidecar, whose threads `end` waits for."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._threads, self._ends = set(threading.enumerate()), list[threading.Event]()
        self.datasets = Datasets.at((folder / "store").as_uri())
        self.handoff, self.verdict, self.outputs = (folder / n for n in ("handoff", "verdict", "outputs"))
        for path in (self.handoff, self.verdict, self.outputs / "data"):
            path.mkdir(parents=True)
        environ = {STORE_VARIABLE: self.datasets.url, RUN: "run", RUN_NAME: "run-1"}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(commit, "LINEAGE", folder / "lineage.json")
        monkeypatch.setattr(
            commit,
            "store_outputs",
            lambda *arguments: store_outputs(*arguments, root=self.outputs),
        )

    def start(self, *, string: bool = False) -> tuple[Sidecar, threading.Event, threading.Thread]:
        outputs = {"data": DatasetOutput("numbers")} | ({"text": StringOutput()} if string else {})
        return self.start_sidecar(StoreSpec("0.1.0", "job", outputs))

    def start_sidecar(
        self, spec: StoreSpec, sender: PartSender | None = None
    ) -> tuple[Sidecar, threading.Event, threading.Thread]:
        terminated = threading.Event()
        logs = KeptLogs([], LogWriter(self.datasets.store, log_prefix("run", "job", "run-1.uid", "commit")))
        sidecar = Sidecar(spec, logs, terminated, sender, handoff=self.handoff, verdict=self.verdict)
        thread = threading.Thread(target=sidecar.run, daemon=True)
        thread.start()
        self._ends.append(terminated)
        return sidecar, terminated, thread

    def end(self) -> None:
        for terminated in self._ends:
            terminated.set()
        for thread in set(threading.enumerate()) - self._threads:
            thread.join(LONG)
            assert not thread.is_alive(), thread

    def ask(self, *step: str) -> "subprocess.CompletedProcess[str]":
        """`commit` as a process of its own. Its message is what is on its standard error."""
        code = f"""
import sys
from pathlib import Path
from job import termination
from job.__main__ import main
from job.pod import handoff
handoff.VERDICT, handoff.HANDOFF = Path({str(self.verdict)!r}), Path({str(self.handoff)!r})
termination._MESSAGE = Path("/dev/stderr")
main(["commit", *{step!r}])
"""
        environ = {SPEC: json.dumps(CommitSpec("0.1.0", "job").to_json()), "PATH": os.environ["PATH"]}
        return subprocess.run(
            [sys.executable, "-c", code],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONG,
        )

    def kept(self) -> list[str]:
        logs = list_logs(self.datasets, "run", "job")
        lines = (line for log in logs for line in read_lines(read_parts(self.datasets, log)))
        return [split_time(line.text)[1] for line in lines]


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pod]:
    pod = Pod(tmp_path, monkeypatch)
    yield pod
    pod.end()


def test_commit_holds_nothing_and_the_version_is_in_the_verdict(pod: Pod) -> None:
    (pod.outputs / "data" / "one").write_text("1")
    pod.start()
    done = pod.ask()
    assert done.returncode == 0
    version = str(pod.datasets.resolve(DatasetRef("numbers")))
    assert (pod.verdict / "versions" / "data").read_text() == version
    assert done.stdout == f"committed {version}\n"
    assert pod.kept() == [f"committed {version}"]


def test_a_refusal_is_the_exit_status_and_the_message_of_commit(pod: Pod) -> None:
    pod.start(string=True)
    done = pod.ask()
    assert done.returncode == CommitError.exit_status
    assert "must write its string there" in done.stderr
    assert pod.kept() == [f"textgen: {done.stderr}"]


def test_a_sidecar_that_has_stored_the_outputs_ends_by_itself(pod: Pod) -> None:
    (pod.outputs / "data" / "one").write_text("1")
    _, _, thread = pod.start()
    assert pod.ask().returncode == 0
    thread.join(LONG)
    assert not thread.is_alive()


def test_a_command_of_textgens_asks_at_its_end(pod: Pod, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    generate = ["generate", "--engine=echo", f"--prompts={prompts}", f"--output={pod.outputs / 'data'}"]
    pod.start()
    failed = pod.ask(*generate)
    assert failed.returncode == 2
    assert str(prompts) in failed.stderr
    assert read_end(pod.verdict) is None
    prompts.write_text("Hello\n")
    done = pod.ask(*generate)
    assert done.returncode == 0, done.stderr
    (version,) = pod.datasets.versions(DatasetRef("numbers"))
    assert done.stdout.splitlines()[-1] == f"committed {version}"


def test_a_refusal_is_the_exit_status_of_a_command_that_asks(pod: Pod) -> None:
    pod.start(string=True)
    done = pod.ask("generate", "--engine=echo", "--prompt=Hello", f"--output={pod.outputs / 'data'}")
    assert done.returncode == CommitError.exit_status
    assert "must write its string there" in done.stderr


def test_who_asks_at_the_end_of_its_own_work_prints_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`store` keeps these lines, and would find them among those of `main`, too."""
    printed: list[str] = []

    def look(_: float) -> None:
        printed.append(capsys.readouterr().out)
        write_end(tmp_path, End())

    monkeypatch.setattr(handoff, "time", SimpleNamespace(sleep=look, monotonic=time.monotonic))
    for prints_at_end in (True, False):
        (tmp_path / "end.json").unlink(missing_ok=True)
        (tmp_path / "log").write_text("committed\n")
        wait_for_end(tmp_path, prints_at_end=prints_at_end)
        printed.append(capsys.readouterr().out)
    assert printed == ["", "committed\n", "committed\n", ""]


@pytest.mark.parametrize(
    ("since_start", "look"),
    [
        # 0.1 s for commit to end, 0.65 to the look, 0.1 for Argo's wait to end
        *((since_start, 0.85) for since_start in (0.25, 3.25, 299.25)),
        # at any time of a second, when a job has run for long, or has given the request a time of its own
        *((since_start, 1.2) for since_start in (301, 10**10, -(10**9))),
    ],
)
def test_argo_looks_once_a_second_from_the_start_of_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, since_start: float, look: float
) -> None:
    request_outputs(tmp_path)
    request = tmp_path / "request"
    assert 0 < time.time() - request.stat().st_mtime < 3600  # since this process has started
    now = request.stat().st_mtime
    monkeypatch.setattr(handoff, "time", SimpleNamespace(time=lambda: now + since_start))
    assert find_next_look(tmp_path) == pytest.approx(look, abs=0.01 if look < 1 else None)
    request.unlink()
    assert find_next_look(tmp_path) == 1


def test_a_sidecar_with_nothing_left_to_store_stays_for_the_others_to_end(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_end(pod.verdict, End())
    _, terminated, thread = pod.start()
    thread.join(2)  # longer than one that has stored the outputs
    assert thread.is_alive()
    terminated.set()
    thread.join(LONG)
    assert not thread.is_alive()
    monkeypatch.setattr(pod_store, "_AGAIN", 0.1)
    _, _, thread = pod.start()  # which misses the signal
    thread.join(LONG)
    assert not thread.is_alive()


def test_without_a_request_nothing_is_stored(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bool] = []

    def look(folder: Path) -> bool:
        looks.append(is_requested(folder))
        return looks[-1]

    monkeypatch.setattr(pod_store, "is_requested", look)
    (pod.outputs / "data" / "one").write_text("1")
    (pod.handoff / "request").symlink_to("/etc/passwd")
    _, terminated, thread = pod.start()
    until(lambda: len(looks) > 2)
    terminated.set()
    thread.join(LONG)
    assert not any(looks)
    assert read_end(pod.verdict) is None
    assert pod.datasets.datasets() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_process_that_was_killed_is_followed_by_one_that_ends_its_work(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pod.outputs / "data" / "one").write_text("1")

    died = threading.Event()

    def die(*_: object) -> None:
        died.set()
        raise SystemExit  # ends the thread alone, as if the process were gone

    with monkeypatch.context() as patch:
        patch.setattr(commit, "write_results", die)
        pod.start()
        (pod.handoff / "request").write_text("commit")
        assert died.wait(LONG)
    # it gives the standard output back, which the next process takes
    until(lambda: not any("store_outputs" in thread.name for thread in threading.enumerate()))
    assert read_end(pod.verdict) is None
    assert len(pod.datasets.datasets()) == 1
    pod.start()
    assert pod.ask().returncode == 0
    assert len(pod.datasets.versions(DatasetRef("numbers"))) == 1


def test_a_verdict_outlives_a_restart(pod: Pod) -> None:
    write_end(pod.verdict, End(3, "no"))
    pod.start()
    assert pod.ask().returncode == 3
    assert pod.datasets.datasets() == []


def test_a_sidecar_that_dies_again_and_again_is_given_up(pod: Pod) -> None:
    (pod.verdict / "starts").write_text("4")
    pod.start()
    done = pod.ask()
    assert done.returncode == 1
    assert "was killed 4 times" in done.stderr


def test_commit_gives_up_when_the_sidecar_is_silent(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handoff, "_SILENCE", 0.2)
    (pod.verdict / "alive").touch()
    with pytest.raises(StoreError, match="has not answered"):
        wait_for_end(pod.verdict)


def test_the_logs_rest_is_stored_when_the_pod_ends_and_a_store_that_is_away_does_not_hold_it_up(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar, terminated, thread = pod.start()
    sidecar.logs.commit.append(b"2026-11-22T18:00:00Z the end\n")
    terminated.set()
    thread.join(LONG)
    assert pod.kept() == ["the end"]

    back = threading.Event()
    monkeypatch.setattr(pod_store, "_GRACE", 0.2)
    monkeypatch.setattr(type(pod.datasets.store), "put", lambda *_: back.wait(2 * LONG))
    sidecar, terminated, thread = pod.start()
    sidecar.logs.commit.append(b"now lost\n")
    terminated.set()
    thread.join(LONG)
    is_held_up = thread.is_alive()
    back.set()
    assert not is_held_up


def test_sigterm_ends_the_process_with_0_even_if_it_can_not_start(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from job.pod import store
store.VERDICT = Path({str(tmp_path)!r})
store.command.main([], standalone_mode=False)
"""
    environ = {**os.environ, SPEC: "[]"}
    with subprocess.Popen([sys.executable, "-c", code], env=environ, stderr=subprocess.PIPE) as process:
        until(lambda: read_end(tmp_path) is not None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0
    end = read_end(tmp_path)
    assert end and end.code == 2
    assert end.message.startswith("TEXTGEN_STEPS: must be an object")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def shard(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pod is that of a shard; the folder of its texts, of which one is whole."""
    monkeypatch.setenv(SHARD, "3")
    monkeypatch.setattr(pod_store, "_LOOK", 0.02)
    texts = pod.outputs / "data"
    (texts / "outputs.jsonl").write_bytes(b'{"row": 0}\n{"ro')
    (texts / "run.json").write_text(json.dumps({"state": "running"}))
    return texts


def start_shard(pod: Pod) -> tuple[threading.Event, threading.Thread]:
    spec = StoreSpec("0.1.0", "job", {"data": ShardOutput()})
    sender = open_sender(spec, outputs=pod.outputs, notes=pod.handoff, verdict=pod.verdict)
    _, terminated, thread = pod.start_sidecar(spec, sender)
    return terminated, thread


def stored_parts(pod: Pod) -> list[bytes]:
    return [
        pod.datasets.store.get(item.key)
        for item in pod.datasets.store.list_objects("runs/run/shards/job/00003/parts/")
    ]


def test_a_shard_s_texts_are_sent_while_it_makes_them(
    pod: Pod, shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_INTERVAL", 0)
    terminated, thread = start_shard(pod)
    until(lambda: stored_parts(pod) == [b'{"row": 0}\n'])
    with (shard / "outputs.jsonl").open("ab") as file:
        file.write(b'w": 1}\n')
    until(lambda: stored_parts(pod) == [b'{"row": 0}\n', b'{"row": 1}\n'])
    terminated.set()
    thread.join(LONG)


def test_the_last_texts_are_sent_when_the_pod_is_told_to_end(pod: Pod, shard: Path) -> None:
    terminated, thread = start_shard(pod)
    assert stored_parts(pod) == []
    terminated.set()
    thread.join(LONG)
    assert stored_parts(pod) == [b'{"row": 0}\n']


def test_texts_that_another_pod_has_stored_are_not_sent_again(pod: Pod, shard: Path) -> None:
    write_position(pod.handoff / POSITION, Position(1, 11))
    (shard / "outputs.jsonl").write_bytes(b'{"row": 0}\n{"row": 1}\n')
    terminated, thread = start_shard(pod)
    terminated.set()
    thread.join(LONG)
    assert stored_parts(pod) == [b'{"row": 1}\n']


def test_a_shard_that_is_done_has_a_result_and_no_version(pod: Pod, shard: Path) -> None:
    (shard / "outputs.jsonl").write_bytes(b'{"row": 0}\n')
    (shard / "run.json").write_text(json.dumps(COMPLETED))
    start_shard(pod)
    assert pod.ask().returncode == 0
    result = Shards(pod.datasets.store, "run", "job").read_result(3)
    assert result and result.rows == 1
    assert pod.datasets.store.get(result.files[0].key) == b'{"row": 0}\n'
    assert stored_parts(pod) == [b'{"row": 0}\n']
    assert pod.datasets.datasets() == []
    assert list((pod.verdict / "versions").iterdir()) == []


def test_a_shard_that_is_not_done_is_refused(pod: Pod, shard: Path) -> None:
    (shard / "outputs.jsonl").write_bytes(b'{"row": 0}\n')
    start_shard(pod)
    done = pod.ask()
    assert done.returncode == CommitError.exit_status
    assert "run.json: not that of a shard that is done" in done.stderr


def test_a_link_in_the_place_of_texts_is_refused_and_the_pod_ends(pod: Pod, shard: Path) -> None:
    (shard / "outputs.jsonl").unlink()
    (shard / "outputs.jsonl").symlink_to("/proc/self/environ")
    terminated, thread = start_shard(pod)
    done = pod.ask()
    assert done.returncode == CommitError.exit_status
    assert "outputs.jsonl: a link, which is not followed" in done.stderr
    terminated.set()
    thread.join(LONG)
    assert not thread.is_alive()
