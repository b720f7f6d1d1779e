"""The content of local files and folders that are to become a version."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar

from job.datasets.manifest import File, Folder, Link
from job.errors import CommitError
from job.storage.paths import find_problem
from job.text import one_line, quoted
from job.untrusted_files import Entry, UntrustedPath

_PERMISSIONS = 0o777


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file: its path in the version, where it lies on this machine, and its status.

    If two of them are equal, the file was not written to in between.
    """

    path: str
    source: UntrustedPath
    mode: int
    size: int
    inode: int
    modified: int
    changed: int

    @classmethod
    def from_stat(cls, path: str, source: UntrustedPath, status: os.stat_result) -> "LocalFile":
        """The file with what `os.lstat` or `os.fstat` says of it."""
        mode = stat.S_IMODE(status.st_mode) & _PERMISSIONS
        return cls(path, source, mode, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


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


def scan(sources: Iterable[tuple[UntrustedPath, str]]) -> Tree[LocalFile]:
    """Read files and folders, each with its path in the version; `""` for a folder's contents.

    Raises CommitError if one can't be read, or holds an unsafe path, a link that leads out of it, or
    something that is neither file, folder nor link.
    """
    tree: Tree[LocalFile] = Tree()
    for source, prefix in sources:
        try:
            for entry in source.walk():
                _add(tree, source, prefix, entry)
        except FileNotFoundError as error:
            raise CommitError(f"{one_line(source.name)}: {error.strerror}") from error
    return tree


def _add(tree: Tree[LocalFile], source: UntrustedPath, prefix: str, entry: Entry) -> None:
    kind = stat.S_IFMT(entry.status.st_mode)
    is_folder = kind == stat.S_IFDIR
    if is_folder and not (entry.is_empty and entry.path):
        return
    if kind == stat.S_IFLNK and not entry.path:
        raise CommitError(f"{one_line(source.name)}: a link, which is not followed")
    path = "/".join(filter(None, (prefix, entry.path)))
    if problem := find_problem(path):
        raise CommitError(f"{quoted(path)} can't be stored: {problem}; rename it")
    if is_folder:
        tree.folders.append(Folder(path, stat.S_IMODE(entry.status.st_mode) & _PERMISSIONS))
    elif kind == stat.S_IFREG:
        location = source.joinpath(entry.path) if entry.path else source
        tree.files.append(LocalFile.from_stat(path, location, entry.status))
    elif kind == stat.S_IFLNK:
        tree.links.append(Link(path, _read_target(source, path, entry)))
    else:
        raise CommitError(f"{path!r} can't be stored: it is neither a file, a folder nor a link")


def _read_target(source: UntrustedPath, path: str, entry: Entry) -> str:
    """The target of a link. Raises CommitError if it leads out, by its text or here, or changes."""
    target = entry.read_link(path)
    by_text = os.path.normpath(PurePosixPath(path).parent / target)
    try:
        base = os.path.realpath(source.root.joinpath(*source.parts))
        real = Path(os.path.realpath(Path(base, entry.path)))
    except OSError as error:  # it was replaced after it was seen to be a link
        raise CommitError(
            f"{path!r}: changed while it was stored; commit when nothing writes to it"
        ) from error
    if target.startswith("/") or by_text.split("/")[0] == ".." or not real.is_relative_to(base):
        raise CommitError(f"{path!r} can't be stored: the link leads out of the version, to {target!r}")
    return target
