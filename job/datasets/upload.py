"""Storing a local file as part of a version."""

import hashlib
import os
from collections.abc import Iterator, Mapping

from job.datasets.manifest import File
from job.datasets.tree import LocalFile
from job.errors import CommitError
from job.storage.digest import Digest
from job.storage.parallel import SMALL, Progress
from job.storage.store import KeyAbsentError, Store

CHUNK = 8 << 20  # bytes that are read, hashed and sent at once
COPY_FROM = 8 << 20  # bytes; to hash a smaller file first takes longer than to send it

Stored = Mapping[tuple[int, str], str]
"""The keys of files that are in the store already, by size and sha256."""


def upload_file(store: Store, key: str, file: LocalFile, stored: Stored, progress: Progress) -> File:
    """Store one file under `key`; its sha256 is that of the bytes that were sent.

    A large file that is in `stored` is copied inside the store instead. Raises CommitError if the file
    changes meanwhile.
    """
    if file.size >= COPY_FROM and any(size == file.size for size, _ in stored):
        sha256 = _hash(file)
        source = stored.get((file.size, sha256))
        if source is not None and _copy(store, source, key):
            progress(file.size)
            return File(file.path, file.size, sha256, file.mode)

    if file.size <= SMALL:
        body = b"".join(_read(file))
        store.upload(key, [body], file.size)
        progress(file.size)
        return File(file.path, file.size, hashlib.sha256(body).hexdigest(), file.mode)
    with Digest() as digest:

        def read_and_hash() -> Iterator[bytes]:
            for chunk in _read(file):
                digest.update(chunk)
                yield chunk
                progress(len(chunk))

        store.upload(key, read_and_hash(), file.size)
        return File(file.path, file.size, digest.hexdigest(), file.mode)


def _hash(file: LocalFile) -> str:
    digest = hashlib.sha256()
    for chunk in _read(file):
        digest.update(chunk)
    return digest.hexdigest()


def _read(file: LocalFile) -> Iterator[bytes]:
    """The file's bytes, as many as its size says. Raises CommitError if it has changed."""
    left = file.size
    try:
        with file.source.open() as source:
            # no more than the file has: the memory that a longer read reserves is not all released
            while chunk := source.read(min(CHUNK, left + 1)):
                left -= len(chunk)
                yield chunk
            status = os.fstat(source.fileno())
    except OSError as error:
        raise CommitError(f"{file.path!r}: {error.strerror} while it was stored") from error
    if left or LocalFile.from_stat(file.path, file.source, status) != file:
        raise CommitError(f"{file.path!r}: changed while it was stored; commit when nothing writes to it")


def _copy(store: Store, source: str, target: str) -> bool:
    try:
        store.copy(source, target)
    except KeyAbsentError:  # its version was deleted meanwhile
        return False
    return True
