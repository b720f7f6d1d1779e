"""A volume on its way from one job to the next: one tar file in the store.

A tar keeps what a volume may hold and a dataset may not: links to anywhere (a virtual environment's
python), nothing at all, any name that a file can have.
"""

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from job.datasets.layout import new_id
from job.datasets.reference import RUNS
from job.errors import CommitError, StoreError
from job.pod.results import Volume
from job.storage.store import Store
from job.text import one_line, quoted
from job.untrusted_files import Entry, UntrustedPath

_CHUNK = 1 << 20


def save_volume(store: Store, run: str, job: str, name: str, folder: UntrustedPath) -> Volume:
    """Store the folder. Raises CommitError if there is none, or for a file that can't be read or changes."""
    if not folder.is_folder():
        raise CommitError(f"{folder.name}: the job replaced this folder")
    key = f"{RUNS}/{run}/volumes/{job}/{new_id()}/{name}.tar"
    digest = hashlib.sha256()
    size = 0

    def measure() -> Iterator[bytes]:
        nonlocal size
        for chunk in _pack(folder):
            digest.update(chunk)
            size += len(chunk)
            yield chunk

    estimate = sum(entry.status.st_size + 1024 for entry in folder.walk())
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
        links: set[str] = set()
        for member in tar:
            if any(str(above) in links for above in PurePosixPath(member.name).parents):
                raise StoreError(f"{volume.key}: damaged in the store: {quoted(member.name)} is below a link")
            if member.issym():
                links.add(str(PurePosixPath(member.name)))
            member.mode |= 0o777 if member.isdir() or member.mode & 0o100 else 0o666
            member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
            tar.extract(member, folder)
    while stream.read(_CHUNK):
        pass
    if (chunks.digest.hexdigest(), chunks.size) != (volume.sha256, volume.size):
        raise StoreError(f"{volume.key}: damaged in the store: not the bytes that were stored")


def _pack(folder: UntrustedPath) -> Iterator[bytes]:
    """The bytes of the folder's tar."""
    size = 0
    packed: dict[tuple[int, int], str] = {}  # the first name of each file that has several
    for entry in folder.walk():
        shown = f"{folder.name}/{entry.path}" if entry.path else folder.name
        for chunk in _pack_entry(entry, shown, packed):
            size += len(chunk)
            yield chunk
    yield bytes(-size % tarfile.RECORDSIZE or tarfile.RECORDSIZE)


def _pack_entry(entry: Entry, shown: str, packed: dict[tuple[int, int], str]) -> Iterator[bytes]:
    """The bytes of a folder, link or file; none of a pipe or a device, which means nothing elsewhere."""
    if stat.S_ISDIR(entry.status.st_mode):
        yield _header(entry, entry.status, tarfile.DIRTYPE)
    elif stat.S_ISLNK(entry.status.st_mode):
        yield _header(entry, entry.status, tarfile.SYMTYPE, entry.read_link(shown))
    elif stat.S_ISREG(entry.status.st_mode):
        with entry.open(shown) as file:
            status = os.fstat(file.fileno())
            first = packed.setdefault((status.st_dev, status.st_ino), entry.path)
            if status.st_nlink > 1 and first != entry.path:
                yield _header(entry, status, tarfile.LNKTYPE, first)
                return
            yield _header(entry, status, tarfile.REGTYPE)
            left = status.st_size
            while left and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
        if left:
            raise CommitError(f"{one_line(shown)}: cut while it was stored; end what writes to it")
        yield bytes(-status.st_size % tarfile.BLOCKSIZE)


def _header(entry: Entry, status: os.stat_result, kind: bytes, target: str = "") -> bytes:
    member = tarfile.TarInfo(entry.path or ".")
    member.type, member.linkname = kind, target
    member.size = status.st_size if kind == tarfile.REGTYPE else 0
    member.mode, member.mtime = stat.S_IMODE(status.st_mode), status.st_mtime
    member.uid, member.gid = status.st_uid, status.st_gid
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


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
