"""The content of local files and folders that are to become a version."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar

from job.datasets.manifest import File, Folder, Link
from job.errors import CommitError
from job.storage.paths import find_problem

_PERMISSIONS = 0o777


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file: its path in the version, its location on this machine, and its status.

    If two of them are equal, the file was not written to in between.
    """

    path: str
    location: Path
    mode: int
    size: int
    inode: int
    modified: int
    changed: int

    @classmethod
    def from_stat(cls, path: str, location: Path, status: os.stat_result) -> "LocalFile":
        """The file with what `os.lstat` or `os.fstat` says of it."""
        mode = stat.S_IMODE(status.st_mode) & _PERMISSIONS
        return cls(
            path, location, mode, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
        )


F = TypeVar("F", bound=File | LocalFile)


@dataclass
class Tree(Generic[F]):
    """Regular files (local or in the store), symbolic links and empty folders."""

    files: list[F] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)

    def paths(self) -> list[str]:
        """The paths of files, links and empty folders."""
        return [
            *(file.path for file in self.files),
            *(link.path for link in self.links),
            *(folder.path for folder in self.folders),
        ]


def scan(sources: Iterable[tuple[Path, str]]) -> Tree[LocalFile]:
    """Read files and folders, each with its path in the version; `""` for a folder's contents.

    Raises CommitError if one can't be read, or holds an unsafe path, a link that leads out of it, or
    something that is neither file, folder nor link.
    """
    tree: Tree[LocalFile] = Tree()
    for root, prefix in sources:
        try:
            base = root.resolve(strict=True)
            for path, location in [(prefix, base)] if base.is_file() else _walk(base, prefix):
                if problem := find_problem(path):
                    raise CommitError(f"{path!r} can't be stored: {problem}; rename it")
                _add(tree, base, path, location)
        except OSError as error:
            raise CommitError(f"{error.filename or root}: {error.strerror}") from error
    return tree


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Files, links and empty folders below a folder, sorted."""
    with os.scandir(folder) as scanned:
        entries = sorted(scanned, key=lambda entry: entry.name)
    for entry in entries:
        path = f"{prefix}/{entry.name}" if prefix else entry.name
        location = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            inner = list(_walk(location, path))
            yield from inner or [(path, location)]
        else:
            yield path, location


def _add(tree: Tree[LocalFile], base: Path, path: str, location: Path) -> None:
    status = location.lstat()
    if stat.S_ISREG(status.st_mode):
        tree.files.append(LocalFile.from_stat(path, location, status))
    elif stat.S_ISLNK(status.st_mode):
        tree.links.append(Link(path, _read_target(base, path, location)))
    elif stat.S_ISDIR(status.st_mode):
        tree.folders.append(Folder(path, stat.S_IMODE(status.st_mode) & _PERMISSIONS))
    else:
        raise CommitError(f"{path!r} can't be stored: it is neither a file, a folder nor a link")


def _read_target(base: Path, path: str, location: Path) -> str:
    """The target of a link. Raises CommitError if it leads out, by its text or on this machine."""
    target = str(location.readlink())
    by_text = os.path.normpath(PurePosixPath(path).parent / target)
    real = Path(os.path.realpath(location))
    if target.startswith("/") or by_text.split("/")[0] == ".." or not real.is_relative_to(base):
        raise CommitError(f"{path!r} can't be stored: the link leads out of the version, to {target!r}")
    return target
