"""The texts of a shard in parts, stored while its pod makes them: another pod goes on after the last.

    parts/<first row>-<rows>-<sha256>.jsonl

A part is whole lines of outputs.jsonl; rows count from 0. If a node was lost, two pods may have worked on the
shard, and their parts overlap. Each row of a part is as good as the same row of another.
"""

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from heapq import heappop, heappush
from pathlib import Path

import click

from job.files import write_atomically
from job.generate.outputs import RECORD, ROWS
from job.generate.progress import FILE as PROGRESS
from job.generate.progress import parse_progress
from job.generate.shards.record import LARGEST_RECORD
from job.pod.shards.lines import find_lines, read_lines, refuse_unreadable
from job.storage.store import KeyAbsentError, Store
from job.untrusted_files import UntrustedPath

POSITION = "parts.json"  # what `inputs` brought, and in /verdict what `store` has sent
PART = 8 << 20  # bytes; a longer line is a part of its own

_INTERVAL = 60.0  # seconds after which fewer bytes are a part
_PROGRESS_INTERVAL = 15.0  # seconds
_NAME = re.compile(r"(\d{9,})-(\d+)-([0-9a-f]{64})\.jsonl")


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a shard's outputs.jsonl is stored."""

    rows: int = 0
    bytes: int = 0


def write_position(path: Path, position: Position) -> None:
    """Keep the position in a file, which is whole at any time."""
    write_atomically(path, [json.dumps(asdict(position)).encode()])


def read_position(path: Path) -> Position | None:
    """What `write_position` wrote; None if there is no such file."""
    try:
        return Position(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows from `first` to before `end`."""

    key: str
    first: int
    end: int
    sha256: str


def fetch_parts(store: Store, prefix: str, path: Path) -> Position:
    """Write the rows that the parts below a prefix hold, up to the first gap, to a file; how many they are.

    A part that is damaged is left out, with a line that says so. Raises StoreError.
    """
    parts = sorted(_list_parts(store, prefix), key=lambda part: part.first, reverse=True)
    useful: list[tuple[int, str, _Part]] = []  # those that begin in or right after the rows so far
    rows = 0
    with path.open("wb") as file:
        while True:
            while parts and parts[-1].first <= rows:
                part = parts.pop()
                heappush(useful, (-part.end, part.key, part))
            if not useful:
                break
            *_, part = heappop(useful)  # the one that leads farthest
            if part.end <= rows:
                break
            if body := _read_part(store, part):
                start = 0
                for _ in range(rows - part.first):
                    start = body.index(b"\n", start) + 1
                file.write(body[start:])
                rows = part.end
        return Position(rows, file.tell())


def _list_parts(store: Store, prefix: str) -> Iterator[_Part]:
    for item in store.list_objects(prefix):
        if name := _NAME.fullmatch(item.key.removeprefix(prefix)):
            first, rows, sha256 = name.groups()
            yield _Part(item.key, int(first), int(first) + int(rows), sha256)


def _read_part(store: Store, part: _Part) -> bytes | None:
    """The lines of a part; None if they are not those that were stored."""
    try:
        body = b"".join(store.read(part.key))
    except KeyAbsentError:
        return None
    is_whole = body.endswith(b"\n") and body.count(b"\n") == part.end - part.first
    if is_whole and hashlib.sha256(body).hexdigest() == part.sha256:
        return body
    click.echo(f"textgen: warning: {part.key}: damaged in the store; its texts are made again", err=True)
    return None


class PartSender:
    """Stores the rows that are added to a shard's outputs.jsonl, and run.json and progress.json beside them.

    The job may do what it likes with these files: they are read as UntrustedPath reads, a piece at a time.
    `position` is a file that outlives this process, with what has been sent.
    """

    def __init__(
        self, store: Store, prefix: str, folder: UntrustedPath, position: Path, fetched: Position
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._folder = folder
        self._file = position
        self._position = read_position(position) or fetched
        self._stored: dict[str, bytes] = {}  # the files beside, as they were stored last
        self._sent = self._reported = time.monotonic()
        self._sending = threading.Lock()

    def send_due(self) -> None:
        """Send what is due by now. Raises StoreError, CommitError for what can't be read."""
        with self._sending:
            self._send(1 if time.monotonic() - self._sent >= _INTERVAL else PART)
            if time.monotonic() - self._reported >= _PROGRESS_INTERVAL:
                self._put_progress()

    def send_rest(self) -> None:
        """Send all that there is. Raises StoreError, CommitError for what can't be read."""
        with self._sending:
            self._send(1)
            self._put_newest(RECORD, self._read(RECORD))
            self._put_progress()

    def _send(self, least: int) -> None:
        """Send parts for as long as at least so many bytes wait."""
        rows = self._folder.joinpath(ROWS)
        try:
            file = rows.open()
        except FileNotFoundError:
            return
        with file, refuse_unreadable(rows.name):
            while os.fstat(file.fileno()).st_size - self._position.bytes >= least:
                lines = find_lines(file, self._position.bytes, PART)
                if not lines.rows:  # it is not whole yet
                    return
                self._put_newest(RECORD, self._read(RECORD))  # who goes on compares it first
                name = f"parts/{self._position.rows:09d}-{lines.rows}-{lines.sha256}.jsonl"
                self._store.upload(self._prefix + name, read_lines(file, lines, rows.name), lines.size)
                self._position = Position(self._position.rows + lines.rows, self._position.bytes + lines.size)
                write_position(self._file, self._position)
                self._sent = time.monotonic()

    def _put_progress(self) -> None:
        self._reported = time.monotonic()
        if body := self._read(PROGRESS):
            with suppress(ValueError):  # whoever watches has no use for it
                self._put_newest(PROGRESS, json.dumps(parse_progress(body)).encode())

    def _read(self, name: str) -> bytes:
        try:
            return self._folder.joinpath(name).read(LARGEST_RECORD)
        except FileNotFoundError:
            return b""

    def _put_newest(self, name: str, body: bytes) -> None:
        if body and self._stored.get(name) != body:
            self._store.put(self._prefix + name, body)
            self._stored[name] = body
