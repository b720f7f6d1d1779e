"""A store in a folder, with the same keys as on S3.

A file is written under `.tmp/`, flushed to the disk, and then renamed (put) or linked (put if
absent: a link fails if the name exists) to its key, and its folder is flushed too. So a key
appears whole or not at all, and survives a power cut once it was acknowledged. Its writer holds a lock on it:
what is left there without one is of a writer that died.
"""

import errno
import fcntl
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from job.errors import InputError, StoreError
from job.files import locked, sync_folder
from job.storage.store import KeyAbsentError, Object

TEMPORARY = ".tmp"
_CHUNK = 1 << 20


class Directory:
    """The store below `root`, which the first put creates."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = root.as_uri()

    @classmethod
    def at(cls, url: str) -> "Directory":
        """The store at `file:///path`. Raises InputError if the path is not absolute."""
        parts = urlsplit(url)
        path = Path(unquote(parts.path))
        if parts.netloc not in {"", "localhost"} or not path.is_absolute() or parts.query:
            raise InputError(f"not a folder's URL: {url!r}; write file:///path")
        return cls(path)

    def get(self, key: str) -> bytes:
        with _translate_errors(key):
            return self._path(key).read_bytes()

    def put(self, key: str, body: bytes) -> None:
        self.upload(key, [body], len(body))

    def put_if_absent(self, key: str, body: bytes) -> bool:
        with _translate_errors(key), self._write_temporary([body]) as temporary:
            try:
                self._move(os.link, temporary, key)
            except FileExistsError:
                return self._path(key).read_bytes() == body
            except OSError as error:
                if error.errno in {errno.EPERM, errno.ENOTSUP, errno.EMLINK}:
                    raise StoreError(
                        f"{self.root}: this file system has no hard links, which commits need; "
                        "put the store on another one"
                    ) from error
                raise
            return True

    def supports_conditional_writes(self) -> bool:
        return True

    def upload(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        with _translate_errors(key), self._write_temporary(chunks) as temporary:
            self._move(os.replace, temporary, key)

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        with _translate_errors(key), self._path(key).open("rb") as file:
            file.seek(start)
            left = sys.maxsize if end is None else end - start
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk

    def copy(self, source: str, target: str) -> None:
        self.upload(target, self.read(source), 0)

    def list_objects(self, prefix: str, limit: int | None = None) -> Iterator[Object]:
        keys = sorted(_keys(str(self._path(prefix)), prefix))
        for key in keys[:limit]:
            with suppress(FileNotFoundError):  # deleted meanwhile
                status = self._path(key).stat()
                yield Object(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def list_folders(self, prefix: str) -> list[str]:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._path(prefix)) as entries:
            return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name != TEMPORARY)
        return []

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            path = self._path(key)
            with _translate_errors(key):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # up to the first folder that still holds something
                for folder in path.parents:
                    if folder == self.root:
                        break
                    folder.rmdir()

    def remove_interrupted_uploads(self, before: datetime) -> list[str]:
        removed = []
        for path in (self.root / TEMPORARY).glob("*"):
            with suppress(FileNotFoundError, BlockingIOError):  # its writer has finished, or is at work
                if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                    _remove_unlocked(path)
                    removed.append(f"{TEMPORARY}/{path.name}")
        return removed

    def now(self) -> datetime:
        return datetime.now(UTC)

    def _path(self, key: str) -> Path:
        return self.root / key

    @contextmanager
    def _write_temporary(self, chunks: Iterable[bytes]) -> Iterator[Path]:
        """A temporary file with `chunks`, flushed to the disk; removed at the end of the context."""
        temporary, file = self._create_temporary()
        try:
            with file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
                yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _create_temporary(self) -> tuple[Path, BinaryIO]:
        """A new file, locked by this writer."""
        folder = self.root / TEMPORARY
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = folder / secrets.token_hex(8)
            file = path.open("xb")
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return path, file
            file.close()  # removed before it was locked

    def _move(self, move: Callable[[Path, Path], None], temporary: Path, key: str) -> None:
        target = self._path(key)
        while True:
            try:
                created = _make_folders(target.parent)
                move(temporary, target)
            except FileNotFoundError:  # a delete has removed an empty folder meanwhile
                if not temporary.exists():
                    raise
                continue
            break
        for folder in created:
            sync_folder(folder.parent)
        sync_folder(target.parent)


def _remove_unlocked(path: Path) -> None:
    """Remove a file that nobody has locked. Raises BlockingIOError, FileNotFoundError."""
    try:
        with locked(path, blocking=False):
            path.unlink()
    except (BlockingIOError, FileNotFoundError):
        raise
    except OSError:  # a file system without locks
        path.unlink()


def _keys(folder: str, prefix: str) -> Iterator[str]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _keys(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield prefix + entry.name


def _make_folders(folder: Path) -> list[Path]:
    """Create a folder and its parents; return those that did not exist."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        with suppress(FileExistsError):  # exist_ok would look at it again, when a delete may have removed it
            new.mkdir()
    return missing


@contextmanager
def _translate_errors(key: str) -> Iterator[None]:
    """Turn OSError into StoreError, and a missing `key` into KeyAbsentError."""
    try:
        yield
    except FileNotFoundError as error:
        raise KeyAbsentError(f"{key}: not in the store") from error
    except OSError as error:
        hint = "; free some space and try again" if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
        raise StoreError(f"{error.filename or key}: {error.strerror}{hint}") from error
