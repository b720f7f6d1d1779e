"""Storing a local file as part of a version."""

import hashlib
import os
from collections.abc import Iterator, Mapping

from job.datasets.manifest import File
from job.datasets.progress import Progress
from job.datasets.tree import LocalFile
from job.errors import CommitError
from job.storage.digest import Digest
from job.storage.parallel import SMALL
from job.storage.store import KeyAbsentError, Store

CHUNK = 8 << 20  # bytes that are read, hashed and sent at a time
COPIED_FROM = 8 << 20  # bytes; for smaller files hashing first is not worth it

Stored = Mapping[tuple[int, str], str]
"""The keys of files that the store has already, by size and sha256."""


def upload(store: Store, key: str, file: LocalFile, stored: Stored, progress: Progress) -> File:
    """Store one file under `key`; its sha256 is that of the bytes that were sent.

    A large one that is among `stored` is copied in the store instead. Raises CommitError where the
    file changes meanwhile.
    """
    if file.size >= COPIED_FROM and any(size == file.size for size, _ in stored):
        sha256 = _sha256(file)
        same = stored.get((file.size, sha256))
        if same is not None and _copied(store, same, key):
            progress(file.size)
            return File(file.path, file.size, sha256, file.mode)

    if file.size <= SMALL:
        body = b"".join(_chunks(file))
        store.upload(key, [body], file.size)
        progress(file.size)
        return File(file.path, file.size, hashlib.sha256(body).hexdigest(), file.mode)
    with Digest() as digest:

        def sent() -> Iterator[bytes]:
            for chunk in _chunks(file):
                digest.update(chunk)
                yield chunk
                progress(len(chunk))

        store.upload(key, sent(), file.size)
        return File(file.path, file.size, digest.hexdigest(), file.mode)


def _sha256(file: LocalFile) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(file):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: LocalFile) -> Iterator[bytes]:
    """The file's bytes, as many as its size says. Raises CommitError where it is not as it was."""
    left = file.size
    try:
        with file.location.open("rb", buffering=0) as opened:
            # no more than there is: the memory that a longer read sets aside is not all given back
            while chunk := opened.read(min(CHUNK, left + 1)):
                left -= len(chunk)
                yield chunk
            status = os.fstat(opened.fileno())
    except OSError as error:
        raise CommitError(f"{file.path!r}: {error.strerror} while it was stored") from error
    if left or LocalFile.of(file.path, file.location, status) != file:
        raise CommitError(f"{file.path!r}: changed while it was stored; commit when nothing writes to it")


def _copied(store: Store, source: str, target: str) -> bool:
    try:
        store.copy(source, target)
    except KeyAbsentError:  # its version was deleted meanwhile
        return False
    return True
