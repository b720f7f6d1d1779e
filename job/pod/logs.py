"""The logs of a run's jobs in the store, for when their pods are gone.

    runs/<run>/logs/<job>/<node>.<pod's uid>/<container>/<number>

A pod is one attempt of the Workflow's node. A log is cut into parts, of which only the last one changes: it
is put again as it grows. Each line has its time before it, as the kubelet gives it.
"""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from job.log_lines import read_lines, split_time
from job.pod.results import job_folder
from job.storage.store import Store

if TYPE_CHECKING:
    from job.datasets import Datasets

_PART = 1 << 20  # bytes
_PART_NUMBER = re.compile(r"\d{6,}")
_PART_KEY = re.compile(rf"([^/]+)/([^/]+)/{_PART_NUMBER.pattern}")
BUFFERED = 16 << 20  # bytes that wait for the store; more is not read meanwhile


@dataclass(slots=True)
class LogWriter:
    """One container's log. Safe to use from several threads; what `flush` could not store stays."""

    store: Store
    prefix: str
    _buffer: bytearray = field(default_factory=bytearray)  # of the part `_number`, and what follows
    _number: int = 0
    _stored: int = 0  # bytes of the buffer that are in the store
    _buffering: threading.Lock = field(default_factory=threading.Lock)
    _flushing: threading.Lock = field(default_factory=threading.Lock)

    def resume(self) -> bytes:
        """Continue the log that an earlier process has stored; the last lines of it. Raises StoreError.

        A last line that is not whole is dropped, as it comes again.
        """
        with self._flushing, self._buffering:
            listed = (each.key.removeprefix(self.prefix) for each in self.store.list_objects(self.prefix))
            numbers = sorted(int(name) for name in listed if _PART_NUMBER.fullmatch(name))
            if not numbers:
                return b""
            self._number = numbers.pop()
            body = self.store.get(self._part_key(self._number))
            self._buffer[:] = body[: body.rfind(b"\n") + 1]
            self._stored = len(self._buffer)
            tail = bytes(self._buffer)
            while numbers and len(_find_times(tail)) < 2:  # as many lines as have the last line's time
                tail = self.store.get(self._part_key(numbers.pop())) + tail
            return tail

    def append(self, line: bytes) -> None:
        """Add bytes to the log, to be stored with the next flush."""
        with self._buffering:
            self._buffer += line

    @property
    def is_full(self) -> bool:
        """Whether more should wait for the store."""
        return len(self._buffer) > BUFFERED

    def flush(self) -> None:
        """Store what was added. Raises StoreError."""
        with self._flushing:
            while len(self._buffer) > self._stored:
                with self._buffering:
                    is_whole = len(self._buffer) > _PART
                    size = self._buffer.rfind(b"\n", 0, _PART) + 1 or _PART if is_whole else len(self._buffer)
                    part = bytes(self._buffer[:size])
                self.store.put(self._part_key(self._number), part)
                self._stored = size
                if is_whole:
                    with self._buffering:
                        del self._buffer[:size]
                    self._number, self._stored = self._number + 1, 0

    def _part_key(self, number: int) -> str:
        return f"{self.prefix}{number:06d}"


def _find_times(text: bytes) -> set[str]:
    """The times of a log's lines."""
    return {time for line in read_lines([text]) if (time := split_time(line.text)[0])}


def log_prefix(run: str, job: str, attempt: str, container: str) -> str:
    """The prefix of the log of one container of an attempt: see `name_attempt`."""
    return f"{job_folder(run, 'logs', job)}/{attempt}/{container}/"


def name_attempt(node_id: str, pod_uid: str) -> str:
    """The attempt that a pod is: one made anew for a node has the same name, but another uid."""
    return f"{node_id}.{pod_uid}"


@dataclass(frozen=True, slots=True)
class StoredLog:
    """One container's log: the keys of its parts, in order."""

    node_id: str
    container: str
    keys: tuple[str, ...]


def list_logs(datasets: "Datasets", run: str, job: str) -> list[StoredLog]:
    """The logs of each node's newest pod that has any. Raises StoreError."""
    prefix = f"{job_folder(run, 'logs', job)}/"
    parts: dict[tuple[str, str], list[str]] = {}  # by attempt and container
    newest: dict[str, tuple[datetime, str]] = {}  # by node: when its attempt was last written
    for each in datasets.store.list_objects(prefix):
        key = _PART_KEY.fullmatch(each.key.removeprefix(prefix))
        if not key:  # nothing of ours
            continue
        attempt, container = key.groups()
        parts.setdefault((attempt, container), []).append(each.key)
        node_id = attempt.rpartition(".")[0]
        newest[node_id] = max(newest.get(node_id, (each.modified, attempt)), (each.modified, attempt))
    return [
        StoredLog(attempt.rpartition(".")[0], container, tuple(keys))
        for (attempt, container), keys in parts.items()
        if newest[attempt.rpartition(".")[0]][1] == attempt
    ]


def read_parts(datasets: "Datasets", log: StoredLog) -> Iterator[bytes]:
    """The log's bytes: lines, each with its time before it. Raises StoreError."""
    for key in log.keys:
        yield datasets.store.get(key)
