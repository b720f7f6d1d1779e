"""Files that a job may have made: read, walked and copied without following a link.

A job's code is not trusted, and may run while its files are read: a folder becomes a link, a file a pipe. So
each part of a path is opened from the descriptor of the folder above it, never by its whole path. A refusal
is one line, with the path as the job knows it.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO, NoReturn

from job.errors import CommitError
from job.text import one_line, shortened

DEEPEST = 100  # folders in folders
MOST_ENTRIES = 1_000_000  # of one folder and all below it
STRING_LIMIT = 256 << 10  # bytes
_DEEPEST_PATH = 1000

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY  # a pipe is opened at once
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_PERMISSIONS = 0o777  # never setuid
_CHUNK = 1 << 20
_REMOVED = "removed meanwhile"
_REASONS = {
    errno.ELOOP: "a link, which is not followed",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.ENXIO: "not a regular file",
}


@dataclass(frozen=True, slots=True)
class UntrustedPath:
    """A path that a job may have made: `parts` below `root`, whose own path no job can change.

    `name` is the path in messages.
    """

    root: Path
    parts: tuple[str, ...]
    name: str

    @classmethod
    def at(cls, path: Path, name: str = "") -> "UntrustedPath":
        """The last part of `path`; the folder that it is in is trusted."""
        return cls(path.parent, (path.name or ".",), name or str(path))

    def joinpath(self, path: str) -> "UntrustedPath":
        """A path below; `path` has `/` between its parts."""
        return UntrustedPath(self.root, (*self.parts, *path.split("/")), f"{self.name}/{path}")

    def open(self) -> BinaryIO:
        """The file, unbuffered. Raises FileNotFoundError, CommitError if it is no regular file."""
        with self._open_parent() as parent, _refusing(self.name):
            return _open_file(parent, self.parts[-1], self.name)

    def read(self, limit: int) -> bytes:
        """The file's bytes. Raises FileNotFoundError, CommitError if it is no file or over `limit` bytes."""
        with self.open() as file, _refusing(self.name):
            body = b""
            while len(body) <= limit and (chunk := file.read(limit + 1 - len(body))):
                body += chunk
        if len(body) > limit:
            self._refuse(f"over {limit >> 10} KiB; use a volume")
        return body

    def read_string(self) -> str:
        """The file's text. Raises CommitError if there is none that a string can be."""
        try:
            return self.read(STRING_LIMIT).decode("utf-8")
        except FileNotFoundError:
            self._refuse("no such file; the job must write its string there")
        except UnicodeDecodeError:
            self._refuse("not UTF-8; use a volume")

    def is_folder(self) -> bool:
        """Whether this is a folder, and no link to one."""
        try:
            with self._open_parent() as parent:
                return stat.S_ISDIR(os.stat(self.parts[-1], dir_fd=parent, follow_symlinks=False).st_mode)
        except (FileNotFoundError, CommitError):
            return False

    def is_absent_or_empty(self) -> bool:
        """Whether nothing is at the path, or a folder without anything in it."""
        try:
            first, second = (next(entries := self.walk(), None), next(entries, None))
        except FileNotFoundError:
            return True
        return first is not None and stat.S_ISDIR(first.status.st_mode) and second is None

    def walk(self) -> Iterator["Entry"]:
        """This file or folder, and all below it, sorted, each folder before what is in it.

        Raises FileNotFoundError if nothing is at the path, CommitError if something can't be read, is removed
        meanwhile, lies too deep, or is one too many.
        """
        numbers = count()
        with self._open_parent() as parent:
            yield from self._visit(parent, self.parts[-1], "", numbers)

    def _visit(self, parent: int, name: str, path: str, numbers: Iterator[int]) -> Iterator["Entry"]:
        if path and path.count("/") >= DEEPEST:
            self._refuse(f"more than {DEEPEST} folders in one another; store it as one archive", path)
        if next(numbers) > MOST_ENTRIES:
            self._refuse(f"over {MOST_ENTRIES} files; store them as one archive")
        shown = f"{self.name}/{path}" if path else self.name
        with _refusing(shown, _REMOVED if path else ""):
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            folder = os.open(name, _FOLDER, dir_fd=parent) if stat.S_ISDIR(status.st_mode) else None
        if folder is None:
            yield Entry(path, name, status, parent)
            return
        try:
            with _refusing(shown), os.scandir(folder) as scanned:
                names = sorted(islice((each.name for each in scanned), MOST_ENTRIES + 1))
            yield Entry(path, name, os.fstat(folder), parent, not names)
            for inner in names:
                yield from self._visit(folder, inner, f"{path}/{inner}" if path else inner, numbers)
        finally:
            os.close(folder)

    @contextmanager
    def _open_parent(self, *, make: bool = False) -> Iterator[int]:
        """The descriptor of the folder that holds this path; `make` makes the folders that are missing."""
        with _refusing(self.name):
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in self.parts[:-1]:
                with _refusing(self.name, _REMOVED if make else ""):
                    inner = (
                        _make_folder(descriptor, part) if make else os.open(part, _FOLDER, dir_fd=descriptor)
                    )
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def _refuse(self, reason: str, path: str = "") -> NoReturn:
        name = f"{self.name}/{shortened(path)}" if path else self.name
        raise CommitError(f"{one_line(name)}: {reason}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a walk has found: `path` is below the walk's start, `name` its last part, `parent` its folder.

    `open` and `read_link` work until the walk goes on.
    """

    path: str
    name: str
    status: os.stat_result
    parent: int
    is_empty: bool = False

    def open(self, shown: str) -> BinaryIO:
        """The file, unbuffered. Raises CommitError, with the path `shown`, if it is no regular file now."""
        with _refusing(shown, _REMOVED):
            return _open_file(self.parent, self.name, shown)

    def read_link(self, shown: str) -> str:
        """The target of a symbolic link. Raises CommitError, with the path `shown`, if it is none now."""
        with _refusing(shown, _REMOVED):
            return os.readlink(self.name, dir_fd=self.parent)


def copy_tree(source: UntrustedPath, target: UntrustedPath) -> None:
    """Copy a file or folder to a path that another job may be changing. Nothing is written through a link.

    Files and links that are there are replaced, folders filled. Links stay links, pipes and devices are left
    out. Raises FileNotFoundError if there is no source, CommitError if something can't be copied.
    """
    folders: list[tuple[int, int | None]] = []  # descriptors from the target's parent down, and their modes

    def leave(depth: int) -> None:
        while len(folders) > depth:
            descriptor, mode = folders.pop()
            try:
                if mode is not None:
                    os.fchmod(descriptor, mode)
            finally:
                os.close(descriptor)

    with target._open_parent(make=True) as parent:
        folders.append((os.dup(parent), None))
        try:
            for entry in source.walk():
                leave(1 + entry.path.count("/") + bool(entry.path))
                shown = f"{target.name}/{entry.path}" if entry.path else target.name
                with _refusing(shown, _REMOVED):
                    folder, name = folders[-1][0], entry.name if entry.path else target.parts[-1]
                    mode = stat.S_IMODE(entry.status.st_mode) & _PERMISSIONS
                    if stat.S_ISDIR(entry.status.st_mode):
                        is_new = not _exists(folder, name)
                        folders.append((_make_folder(folder, name), mode if is_new else None))
                    elif stat.S_ISLNK(entry.status.st_mode):
                        _remove(folder, name)
                        os.symlink(entry.read_link(shown), name, dir_fd=folder)
                    elif stat.S_ISREG(entry.status.st_mode):
                        _remove(folder, name)
                        with entry.open(shown) as file:
                            _copy_file(file.fileno(), folder, name)
            leave(0)
        finally:
            for descriptor, _ in folders:
                os.close(descriptor)


def set_links(folder: UntrustedPath, links: Mapping[str, str], prefix: str) -> list[str]:
    """Make each symbolic link, by its name, where nothing else is, and remove others to what is at `prefix`.

    Returns the names of the links. Raises CommitError if the folder is a link or can't be made.
    """
    with folder.joinpath(".")._open_parent(make=True) as parent, _refusing(folder.name):
        for entry in list(os.scandir(parent)):
            target = os.readlink(entry.name, dir_fd=parent) if entry.is_symlink() else ""
            if target.startswith(prefix) and target != links.get(entry.name):
                os.unlink(entry.name, dir_fd=parent)
        for name, target in links.items():
            with suppress(FileExistsError):
                os.symlink(target, name, dir_fd=parent)
        targets = {
            entry.name: os.readlink(entry.name, dir_fd=parent)
            for entry in os.scandir(parent)
            if entry.is_symlink()
        }
    return sorted(name for name, target in links.items() if targets.get(name) == target)


def remove_tree(folder: Path) -> None:
    """Remove a folder with all below it, however deep; what can't be removed stays. No job runs any more."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        _flatten(folder)
        shutil.rmtree(folder, ignore_errors=True)
    if folder.is_dir() and not folder.is_symlink():  # with folders that their owner may not enter
        restrict_modes(folder)
        shutil.rmtree(folder, ignore_errors=True)


def restrict_modes(folder: Path) -> None:
    """Take setuid and setgid from all files below, and let their owner enter all folders. Jobs may run."""
    left: list[tuple[str, ...]] = [()]
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)
    while left:
        parts = left.pop()
        inner = UntrustedPath(folder, (*parts, "."), str(folder))
        with suppress(OSError, CommitError), inner._open_parent() as parent:
            for entry in os.scandir(parent):
                _restrict_mode(parent, entry.name)
                if entry.is_dir(follow_symlinks=False) and len(parts) < _DEEPEST_PATH:
                    left.append((*parts, entry.name))


def _restrict_mode(parent: int, name: str) -> None:
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    restricted = mode & ~(stat.S_ISUID | stat.S_ISGID) | (stat.S_IRWXU if stat.S_ISDIR(mode) else 0)
    if restricted == mode or stat.S_ISLNK(mode):
        return
    # Linux opens what nobody may read with O_PATH, and macOS has nothing like it
    path_only = getattr(os, "O_PATH", 0)
    descriptor = os.open(name, path_only | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    try:
        if path_only:
            Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IMODE(restricted))
        else:
            os.fchmod(descriptor, stat.S_IMODE(restricted))
    finally:
        os.close(descriptor)


def _flatten(folder: Path) -> None:
    """Move every folder below to the top."""
    numbers = count()
    descriptor = os.open(folder, _FOLDER)
    try:
        left = [entry.name for entry in os.scandir(descriptor) if entry.is_dir(follow_symlinks=False)]
        while left:
            inner = os.open(left.pop(), _FOLDER, dir_fd=descriptor)
            try:
                for entry in list(os.scandir(inner)):
                    if entry.is_dir(follow_symlinks=False):
                        name = f".{next(numbers)}.{os.getpid()}"
                        os.rename(entry.name, name, src_dir_fd=inner, dst_dir_fd=descriptor)
                        left.append(name)
            finally:
                os.close(inner)
    finally:
        os.close(descriptor)


def _open_file(parent: int, name: str, shown: str) -> BinaryIO:
    descriptor = os.open(name, _FILE, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CommitError(f"{one_line(shown)}: not a regular file")
    return os.fdopen(descriptor, "rb", buffering=0)


def _make_folder(parent: int, name: str) -> int:
    """The descriptor of a folder that is there or made now."""
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent)
    return os.open(name, _FOLDER, dir_fd=parent)


def _exists(parent: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _remove(parent: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)


def _copy_file(source: int, folder: int, name: str) -> None:
    """Copy an open file to a new one: its bytes without the holes, its permissions and its time."""
    status = os.fstat(source)
    target = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
    try:
        os.ftruncate(target, status.st_size)
        at = 0
        while at < status.st_size:
            try:
                at = os.lseek(source, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # a hole up to the end
                    break
                raise
            end = min(os.lseek(source, at, os.SEEK_HOLE), status.st_size)
            while at < end and (chunk := os.pread(source, min(_CHUNK, end - at), at)):
                at += os.pwrite(target, chunk, at)
            if at < end:  # cut meanwhile
                break
        os.fchmod(target, stat.S_IMODE(status.st_mode) & _PERMISSIONS)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(target)


@contextmanager
def _refusing(shown: str, absent: str = "") -> Iterator[None]:
    """Turn an OSError into CommitError, but FileNotFoundError only if `absent` says what it means."""
    try:
        yield
    except FileNotFoundError as error:
        if not absent:
            raise
        raise CommitError(f"{one_line(shown)}: {absent}") from error
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or error.strerror
        raise CommitError(f"{one_line(shown)}: {reason}") from error
