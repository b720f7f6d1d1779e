"""A volume on its way from one job to the next: one tar file in the store.

A tar keeps what a volume may hold and a dataset may not: links to anywhere (a virtual environment's
python), nothing at all, any name that a file can have.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from job.datasets.layout import new_id
from job.datasets.reference import RUNS
from job.errors import CommitError, StoreError
from job.pod.results import Volume
from job.storage.store import Store

_CHUNK = 1 << 20
# A pipe or a device means nothing elsewhere.
_STORED_TYPES = (tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE)


def save_volume(store: Store, run: str, job: str, name: str, folder: Path) -> Volume:
    """Store the folder. Raises CommitError for a file that can't be read or changes meanwhile."""
    key = f"{RUNS}/{run}/volumes/{job}/{new_id()}/{name}.tar"
    digest = hashlib.sha256()
    size = 0

    def measure() -> Iterator[bytes]:
        nonlocal size
        for chunk in _pack(folder):
            digest.update(chunk)
            size += len(chunk)
            yield chunk

    estimate = sum(path.lstat().st_size + 1024 for path in folder.rglob("*"))
    store.upload(key, measure(), estimate)
    return Volume(key, digest.hexdigest(), size)


def load_volume(store: Store, volume: Volume, folder: Path) -> None:
    """Write the volume's files to the folder, writable by everyone: its user is not known here.

    Raises StoreError if the bytes are not those that were stored.
    """
    chunks = _ChunkFile(store.read(volume.key))
    stream = io.BufferedReader(chunks, _CHUNK)
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        # Links may lead anywhere: they mean something in the job's container, not here.
        tar.extraction_filter = staticmethod(lambda member, _: member)
        for member in tar:
            member.mode |= 0o777 if member.isdir() or member.mode & 0o100 else 0o666
            member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
            tar.extract(member, folder)
    while stream.read(_CHUNK):
        pass
    if (chunks.digest.hexdigest(), chunks.size) != (volume.sha256, volume.size):
        raise StoreError(f"{volume.key}: damaged in the store: not the bytes that were stored")


def _pack(folder: Path) -> Iterator[bytes]:
    """The bytes of the folder's tar."""
    headers = tarfile.open(fileobj=io.BytesIO(), mode="w")  # noqa: SIM115 - it only makes headers
    size = 0
    try:
        for path in [folder, *sorted(folder.rglob("*"))]:
            member = headers.gettarinfo(path, str(Path(".", path.relative_to(folder))))
            if member and member.type in _STORED_TYPES:
                for chunk in _pack_member(path, member):
                    size += len(chunk)
                    yield chunk
    except OSError as error:
        raise CommitError(f"{error.filename or folder}: {error.strerror}; make it readable") from error
    yield bytes(-size % tarfile.RECORDSIZE or tarfile.RECORDSIZE)


def _pack_member(path: Path, member: tarfile.TarInfo) -> Iterator[bytes]:
    yield member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    if not member.isreg():
        return
    left = member.size
    with path.open("rb") as file:
        while left and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
    if left:
        raise CommitError(f"{path}: cut while it was stored; end what writes to it")
    yield bytes(-member.size % tarfile.BLOCKSIZE)


class _ChunkFile(io.RawIOBase):
    """Chunks as a file to read, with the digest and size of what was read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self.digest = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest and (chunk := next(self._chunks, None)) is not None:
            self.digest.update(chunk)
            self.size += len(chunk)
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
