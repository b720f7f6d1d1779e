"""Of a job's log, what the job has printed is shown, and nothing that Argo's executor adds."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from argo.cluster import log_lines
from argo.cluster.log_lines import (
    ExecutorLines,
    Log,
    LogLine,
    Timestamp,
    merge_logs,
    parse_timestamp,
    read_times,
)
from job.log_lines import read_lines

WAITING = (
    'time=2026-11-26T17:07:04.046Z level=INFO msg="waiting for signals" argo=true signalPath=/var/run/argo'
)
EXITED = 'time=2026-11-26T17:07:05.822Z level=INFO msg="sub-process exited" argo=true error="exit status 3"'
ENDED = 'time=2026-11-26T17:07:05.046Z level=INFO msg="sub-process exited" argo=true error=<nil>'


def job_lines(*lines: str) -> list[str]:
    executor = ExecutorLines()
    return [text for line in lines if (text := executor.remove(line)) is not None]


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ((WAITING, "one", EXITED, "Error: exit status 3"), ["one"]),
        (("last" + EXITED, "Error: exit status 3"), ["last"]),
        ((EXITED, "lastError: exit status 3"), ["last"]),
        ((EXITED, "last" + WAITING), ["last"]),
        ((EXITED, "Error: exit status 3", "last"), ["last"]),
        ((ENDED, '{"score": 0.93}'), ['{"score": 0.93}']),
        # a program that writes as the executor does
        (
            ("time=2026-11-26T17:07:05Z level=INFO msg=" + EXITED,),
            ["time=2026-11-26T17:07:05Z level=INFO msg="],
        ),
        (("time=2026-11-26T17:07:05Z level=INFO msg=x",), ["time=2026-11-26T17:07:05Z level=INFO msg=x"]),
        (("time=mine level=INFO msg=x argo=true",), ["time=mine level=INFO msg=x argo=true"]),
        (("Error: exit status 3",), ["Error: exit status 3"]),
        ((EXITED, "Error: exit status 4"), ["Error: exit status 4"]),
        (('dependency "main" exited with non-zero code: 3', ""), [""]),
    ],
)
def test_what_the_executor_prints_is_told_apart(lines: tuple[str, ...], shown: list[str]) -> None:
    assert job_lines(*lines) == shown


def test_a_line_without_a_time_has_that_of_the_line_before() -> None:
    first, second = "2026-11-22T18:00:00.000000001Z", "2026-11-22T18:00:01.000000000Z"
    lines = list(
        read_times(read_lines([f"words\n{first} one\n2026-02-31T00:00:00Z no day\n{second} two".encode()]))
    )
    assert [(line.time, line.text) for line in lines] == [
        ("", "words"),
        (first, "one"),
        (first, "2026-02-31T00:00:00Z no day"),
        (second, "two"),
    ]
    assert lines == sorted(lines, key=lambda line: line.at)


def test_timestamps_of_nodes_in_other_time_zones_compare() -> None:
    assert parse_timestamp("2026-11-22T20:00:00.100000001+02:00") > parse_timestamp("2026-11-22T18:00:00.1Z")
    assert parse_timestamp("2026-11-22T20:00:00.000000001-01:30") > parse_timestamp("2026-11-22T21:30:00Z")


def at(second: int) -> Timestamp:
    return datetime(2026, 11, 22, 18, 0, second, tzinfo=UTC), ""


class OpenLogs:
    """Logs of a line a second, and how many were read at one time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def make(self, name: str, start: int, end: int) -> Log:
        return Log(at(start), self._read(name, start, end))

    def _read(self, name: str, start: int, end: int) -> Iterator[LogLine]:
        self.now += 1
        self.most = max(self.most, self.now)
        yield from (LogLine(at(second), "job", f"{name}{second}") for second in range(start, end))
        self.now -= 1


def test_logs_are_merged_in_the_order_of_time_and_opened_in_their_turn() -> None:
    logs = OpenLogs()
    made = [logs.make("c", 9, 11), logs.make("a", 0, 4), logs.make("b", 2, 6), logs.make("empty", 3, 3)]
    merged = [line.text for line in merge_logs(made)]
    assert merged == ["a0", "a1", "a2", "b2", "a3", "b3", "b4", "b5", "c9", "c10"]
    assert logs.most == 3


def test_of_more_logs_than_may_be_open_some_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "MOST_OPEN", 2)
    logs = OpenLogs()
    merged = [line.text for line in merge_logs([logs.make(name, 0, 2) for name in "abc"])]
    assert merged == ["a0", "b0", "a1", "c0", "b1", "c1"]
    assert logs.most == 2
