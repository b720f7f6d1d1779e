"""What is in a local folder that is to become a version."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from job.datasets import paths
from job.errors import CommitError

PERMISSIONS = 0o777


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file; two that are equal have not been written to in between."""

    path: str
    mode: int
    size: int
    inode: int
    modified: int
    changed: int


@dataclass(frozen=True, slots=True)
class Tree:
    """Regular files, symbolic links (path and target) and empty folders (path and mode), in order."""

    files: tuple[LocalFile, ...]
    links: tuple[tuple[str, str], ...]
    folders: tuple[tuple[str, int], ...]


def scan(root: Path) -> Tree:
    """Read the folder `root`.

    Raises CommitError where it can't be read, holds an unsafe path, a link that leads out of it, or
    something that is neither file, folder nor link.
    """
    files: list[LocalFile] = []
    links: list[tuple[str, str]] = []
    folders: list[tuple[str, int]] = []
    try:
        base = root.resolve(strict=True)
        for path, entry in _walk(root, ""):
            wrong = paths.problem(path)
            if wrong:
                raise CommitError(f"{path!r} can't be kept: {wrong}; rename it")
            status = entry.stat(follow_symlinks=False)
            mode = stat.S_IMODE(status.st_mode) & PERMISSIONS
            if entry.is_symlink():
                links.append((path, _target(base, path)))
            elif entry.is_file():
                files.append(local_file(path, status))
            elif entry.is_dir():
                folders.append((path, mode))
            else:
                raise CommitError(f"{path!r} can't be kept: it is neither a file, a folder nor a link")
    except OSError as error:
        raise CommitError(f"{error.filename or root}: {error.strerror}") from error
    return Tree(tuple(files), tuple(links), tuple(folders))


def local_file(path: str, status: os.stat_result) -> LocalFile:
    """The file at `path` as `status` has it."""
    return LocalFile(
        path,
        stat.S_IMODE(status.st_mode) & PERMISSIONS,
        status.st_size,
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Files, links and empty folders, sorted by path."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            inner = list(_walk(Path(entry.path), f"{path}/"))
            yield from inner or [(path, entry)]
        else:
            yield path, entry


def _target(base: Path, path: str) -> str:
    """Where a link points, once it is known to stay inside, by its words and on this machine."""
    target = str((base / path).readlink())
    by_words = os.path.normpath(PurePosixPath(path).parent / target)
    real = Path(os.path.realpath(base / path))
    if target.startswith("/") or by_words.split("/")[0] == ".." or not real.is_relative_to(base):
        raise CommitError(f"{path!r} can't be kept: the link leads out of the version, to {target!r}")
    return target
