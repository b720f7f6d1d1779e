"""Each line of a container's log is copied once, however often the connection breaks."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.datasets import Datasets
from job.log_lines import read_lines, split_time
from job.pod import log_follower
from job.pod.log_follower import ApiServerError, LogFollower, PodLogs, follow_in_turn
from job.pod.logs import LogWriter, list_logs, log_prefix, read_parts


@dataclass
class Kubelet:
    """Serves the logs of containers, and cuts each answer after so many bytes."""

    logs: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # of the first requests; 200 later

    @contextmanager
    def open(self, container: str, since: str, *, follow: bool) -> Iterator[Iterator[bytes]]:
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            raise ApiServerError("refused", status)
        if container not in self.logs:
            raise ApiServerError("the container is waiting to start", 400)
        # as the kubelet does: the seconds of the time, no more
        lines = io.BytesIO(self.logs[container]).readlines()
        body = b"".join(line for line in lines if line[:19].decode() >= since[:19])
        cut = self.cuts.pop(0) if follow and self.cuts else len(body)
        yield iter(io.BytesIO(body[:cut]).readlines())


def make_follower(kubelet: Kubelet, datasets: Datasets, container: str = "main") -> LogFollower:
    writer = LogWriter(datasets.store, log_prefix("run", "job", "run-1.uid", container))
    return LogFollower(cast(PodLogs, kubelet), container, writer)


def read(datasets: Datasets, container: str = "main") -> list[str]:
    logs = [log for log in list_logs(datasets, "run", "job") if log.container == container]
    lines = (line for log in logs for line in read_lines(read_parts(datasets, log)))
    return [split_time(line.text)[1] for line in lines]


@given(
    st.lists(st.integers(0, 40), max_size=12).map(sorted),
    st.lists(st.tuples(st.integers(0, 600), st.booleans()), max_size=5),
    st.booleans(),
    st.sampled_from(["", "\r", "日"]),
)
def test_no_line_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory,
    moments: list[int],
    attempts: list[tuple[int, bool]],
    is_cut: bool,
    middle: str,
) -> None:
    """Some attempts end with a new process, which goes on after what the last one stored."""
    datasets = Datasets.at(tmp_path_factory.mktemp("store").as_uri())
    times = [f"2026-11-22T18:00:{each // 10:02}.{each % 10}00000000Z" for each in moments]
    text = "".join(f"{time} {middle}line {number}\n" for number, time in enumerate(times))
    kubelet = Kubelet({"main": (text[:-1] if is_cut else text).encode()}, [cut for cut, _ in attempts])
    follower = make_follower(kubelet, datasets)
    for _, restarts in attempts:
        follower.follow()
        if restarts:
            follower.writer.flush()
            follower = make_follower(kubelet, datasets)
            follower.resume()
    follower.finish()
    follower.follow()  # a thread that is still at it
    follower.writer.flush()
    assert read(datasets) == [f"{middle}line {number}" for number in range(len(times))]


def test_a_line_longer_than_a_piece_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = Datasets.at(tmp_path.as_uri())
    monkeypatch.setattr(log_follower, "_LINE", 40)
    time = b"2026-11-22T18:00:00.000000000Z "
    pieces = [time + b"a" * 9, b"0" * 40, b"0\n", time + b"end\n"]

    @contextmanager
    def open_log(*_: object, **__: object) -> Iterator[Iterator[bytes]]:
        yield iter(pieces)

    kubelet = Kubelet({})
    monkeypatch.setattr(kubelet, "open", open_log)
    follower = make_follower(kubelet, datasets)
    follower.follow()
    follower.finish()
    follower.writer.flush()
    assert read(datasets) == ["a" * 9 + "0" * 41, "end"]


def test_the_kubelets_own_words_have_no_time_and_end_nothing(tmp_path: Path) -> None:
    time = "2026-11-22T18:00:0{}.000000000Z "
    words = b"failed to watch the file\n"
    kubelet = Kubelet({"main": words})
    follower = make_follower(kubelet, Datasets.at(tmp_path.as_uri()))
    follower.follow()
    follower.follow()
    kubelet.logs["main"] += f"{time.format(1)}one\n".encode() + words
    follower.follow()
    assert follower.position == (time.format(1).strip().encode(), 1)
    kubelet.logs["main"] += f"{time.format(2)}two\n".encode()
    follower.finish()
    follower.writer.flush()
    said = words.decode().strip()
    assert read(Datasets.at(tmp_path.as_uri())) == [said, "one", said, "two"]


def test_containers_are_followed_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_follower, "_PAUSE", 0.01)
    datasets, stopped = Datasets.at(tmp_path.as_uri()), threading.Event()
    time = b"2026-11-22T18:00:00.000000000Z "
    kubelet = Kubelet({"inputs": time + b"cloned\n"}, statuses=[0, 500, 429])
    followers = [make_follower(kubelet, datasets, name) for name in ("inputs", "main")]
    thread = threading.Thread(target=follow_in_turn, args=(followers, stopped))
    thread.start()
    kubelet.logs["main"] = time + b"printed\n"
    while thread.is_alive() and followers[1].position[0] == b"":
        stopped.wait(0.01)
    stopped.set()
    thread.join(60)
    for follower in followers:
        follower.writer.flush()
    assert (read(datasets, "inputs"), read(datasets)) == (["cloned"], ["printed"])


def test_without_the_right_to_logs_it_says_so_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubelet = Kubelet({"main": b""}, statuses=[403])
    follow_in_turn([make_follower(kubelet, Datasets.at(tmp_path.as_uri()))], threading.Event())
    assert capsys.readouterr().err == "textgen: the log of main is not kept: refused\n"
