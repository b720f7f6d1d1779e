"""The logs of a run's jobs in the store, for when their pods are gone.

    runs/<run>/logs/<job>/<node>.<pod's uid>/<container>/<number>

A pod is one attempt of the Workflow's node. A log is cut into parts, of which only the last one changes: it
is put again as it grows. Each line has its time before it, as the kubelet gives it.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from job.pod.results import job_folder
from job.storage.store import Store

if TYPE_CHECKING:
    from job.datasets import Datasets

_PART = 1 << 20  # bytes
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

    def resume(self) -> list[bytes]:
        """Continue the log that an earlier process has stored; the last lines of it. Raises StoreError."""
        with self._flushing, self._buffering:
            keys = [each.key for each in self.store.list_objects(self.prefix)]
            if keys:
                self._number = int(keys[-1].rpartition("/")[2])
                self._buffer[:] = self.store.get(keys[-1])
                self._stored = len(self._buffer)
            return bytes(self._buffer).splitlines(keepends=True)

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
                self.store.put(f"{self.prefix}{self._number:06d}", part)
                self._stored = size
                if is_whole:
                    with self._buffering:
                        del self._buffer[:size]
                    self._number, self._stored = self._number + 1, 0


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
        attempt, container, _ = each.key.removeprefix(prefix).split("/")
        parts.setdefault((attempt, container), []).append(each.key)
        node_id = attempt.rpartition(".")[0]
        newest[node_id] = max(newest.get(node_id, (each.modified, attempt)), (each.modified, attempt))
    return [
        StoredLog(attempt.rpartition(".")[0], container, tuple(keys))
        for (attempt, container), keys in parts.items()
        if newest[attempt.rpartition(".")[0]][1] == attempt
    ]


def read_lines(datasets: "Datasets", log: StoredLog) -> Iterator[str]:
    """The log's lines, each with its time before it. Raises StoreError."""
    rest = b""
    for key in log.keys:
        *lines, rest = (rest + datasets.store.get(key)).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")
