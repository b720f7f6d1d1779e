"""Whole lines of a file that a job may still be writing: found, and then sent, in bounded memory."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from job.errors import CommitError
from job.text import one_line

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """So many bytes of a file from `start` on, and how many rows they are."""

    start: int
    size: int
    rows: int
    sha256: str


def find_lines(file: BinaryIO, start: int, limit: int) -> Lines:
    """The whole lines from `start` on in the next `limit` bytes, or the first line if it is longer."""
    digest = hashlib.sha256()
    sha256, size, rows, read = digest.hexdigest(), 0, 0, 0
    file.seek(start)
    while not (rows and read >= limit):
        chunk = file.read(min(_CHUNK, limit - read) if read < limit else _CHUNK)
        if not chunk:
            break
        end = (chunk.rfind(b"\n") if read < limit else chunk.find(b"\n")) + 1
        digest.update(chunk[:end])
        if end:
            sha256, size, rows = digest.hexdigest(), read + end, rows + chunk.count(b"\n", 0, end)
        digest.update(chunk[end:])
        read += len(chunk)
    return Lines(start, size, rows, sha256)


def read_lines(file: BinaryIO, lines: Lines, name: str) -> Iterator[bytes]:
    """The bytes that were found. Raises CommitError, after the last, if the file has changed since."""
    digest, left = hashlib.sha256(), lines.size
    file.seek(lines.start)
    while left and (chunk := file.read(min(_CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
        yield chunk
    if left or digest.hexdigest() != lines.sha256:
        raise CommitError(f"{one_line(name)}: changed while it was stored; end what writes to it")


@contextmanager
def refuse_unreadable(name: str) -> Iterator[None]:
    """Turn what the disk says into CommitError."""
    try:
        yield
    except OSError as error:
        raise CommitError(f"{one_line(name)}: {error.strerror}") from error
