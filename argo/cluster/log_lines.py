"""The lines of a job's log: their times, and which of them Argo has printed."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush, heapreplace
from typing import NamedTuple

from job.log_lines import Line, split_time

Timestamp = tuple[datetime, str]  # a second, and the digits after it, which a datetime can't hold

MOST_OPEN = 200  # logs that are read at one time: each is a connection

EARLIEST: Timestamp = (datetime.min.replace(tzinfo=UTC), "")

_EXECUTOR_START = re.compile(r"time=\d{4}-\d\d-\d\dT[\d:.]+Z level=[A-Z]+ msg=")
_EXECUTOR_MARK = " argo=true"
_EXIT = re.compile(r'msg="sub-process exited".* error="(.*)"')
_DEPENDENCY = re.compile(r"(Error: )?dependency \"\S+\" exited with .*")


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """A line of a job's log. Lines compare by their time."""

    at: Timestamp
    job: str = field(compare=False)
    text: str = field(compare=False)


class TimedLine(NamedTuple):
    """A line with its time, as written and to compare; `time` is empty before the first that has one."""

    time: str
    at: Timestamp
    text: str


def parse_timestamp(text: str) -> Timestamp:
    """A time as the kubelet writes it, in whatever zone its node is, to the nanosecond."""
    seconds, fraction, zone = text[:19], text[19:].rstrip("Z"), "+00:00"
    for sign in "+-":
        fraction, separator, offset = fraction.partition(sign)
        zone = f"{sign}{offset}" if separator else zone
    return datetime.fromisoformat(seconds + zone).astimezone(UTC), fraction.lstrip(".").ljust(9, "0")


def read_times(lines: Iterable[Line]) -> Iterator[TimedLine]:
    """Each line with its time; one without a time has that of the line before it."""
    time, at = "", EARLIEST
    for line in lines:
        own_time, text = split_time(line.text) if line.is_start else ("", line.text)
        if own_time:
            try:
                time, at = own_time, parse_timestamp(own_time)
            except ValueError:  # no such day
                text = line.text
        yield TimedLine(time, at, text)


class Log(NamedTuple):
    """The lines of one container, in the order of time, and a time that no line is before."""

    start: Timestamp
    lines: Iterator[LogLine]


def merge_logs(logs: Iterable[Log]) -> Iterator[LogLine]:
    """The lines of all logs in the order of time.

    A log is read from when its turn has come, so that thousands that follow one another need few connections.
    Of more logs at one time than may be open, some come after others.
    """
    waiting = deque(sorted(logs, key=lambda log: log.start))
    heads: list[tuple[LogLine, int, Iterator[LogLine]]] = []  # the next line of each open log
    opened = 0
    while heads or waiting:
        while waiting and len(heads) < MOST_OPEN and (not heads or waiting[0].start <= heads[0][0].at):
            lines = waiting.popleft().lines
            opened += 1
            if line := next(lines, None):
                heappush(heads, (line, opened, lines))
        if heads:
            line, number, lines = heads[0]
            yield line
            if line := next(lines, None):
                heapreplace(heads, (line, number, lines))
            else:
                heappop(heads)


class ExecutorLines:
    """Tells the lines of Argo's executor, which starts the job's command in its container, from the job's.

    If the job's last line has no end, the executor's next one follows it on the same line.
    """

    def __init__(self) -> None:
        self._error = ""  # how the command has ended: the executor prints it once more

    def remove(self, text: str) -> str | None:
        """What the job has printed of a line; None if all is the executor's."""
        if _DEPENDENCY.fullmatch(text):
            return None
        start = self._find_start(text)
        if start is None:
            return text
        return text[:start] or None

    def _find_start(self, text: str) -> int | None:
        mark = text.rfind(_EXECUTOR_MARK)
        starts = [each.start() for each in _EXECUTOR_START.finditer(text, 0, mark)] if mark >= 0 else []
        if starts:
            if ended := _EXIT.search(text, starts[-1]):
                self._error = ended[1] or ""
            return starts[-1]
        last = f"Error: {self._error}"
        if self._error and text.endswith(last):
            self._error = ""
            return len(text) - len(last)
        return None
