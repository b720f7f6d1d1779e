"""What a job sees of this machine's file system: its programs, copy-on-write, and no person's files."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from argo.local.runtime import Access, Mount

# Programs, their settings, and what package managers keep. People's files lie elsewhere.
_SHOWN = ("bin", "etc", "gnu", "lib", "lib32", "lib64", "libx32", "nix", "opt", "sbin", "usr", "var")
_NEW = ("/home", "/media", "/mnt", "/root", "/run", "/srv")
_NEW_IN_VAR = ("/var/backups", "/var/crash", "/var/log", "/var/mail", "/var/spool", "/var/tmp")  # noqa: S108
# What others can't read in these is root's secret.
_SECRETIVE = ("/etc", "/usr/local/etc", "/var")

# A mount deeper than this below the root is seen read-only, its neighbours with it.
_DEPTH = 3
_UNIX_SOCKETS = Path("/proc/net/unix")
_RESOLV = Path("/etc/resolv.conf")

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A mount of the sandbox. For root, `ids` names a map of argo.local.launcher, and the job finds nothing
    at the paths `hidden` below it."""

    mount: Mount
    ids: str
    hidden: tuple[str, ...] = ()


def machine_parts(needed: Sequence[Path]) -> list[Part | Words]:
    """The sandbox's mounts, or bubblewrap's arguments for one, in the order that they must have.

    Folders that are `needed` are seen wherever they lie.
    """
    mounted = _mount_points()
    parts: list[Part | Words] = []
    for path in (Path("/", name) for name in _SHOWN):
        if path == Path("/opt") and path.is_dir() and not path.is_symlink():
            # too many files to look for secrets: so that root's are nobody's, as for other users
            parts.append(("--dir", str(path)))
            parts += [
                replace(part, ids="") if isinstance(part, Part) else part
                for entry in sorted(path.iterdir())
                for part in _mount_tree(entry, mounted, _DEPTH - 1)
            ]
        elif os.path.lexists(path):
            parts += _mount_tree(path, mounted, _DEPTH)
    if os.geteuid() == 0:
        parts = [_hide_secrets(part) for part in parts]
    parts += [("--dir", folder) for folder in _NEW]
    parts.append(("--perms", "1777", "--dir", "/tmp"))  # noqa: S108
    for folder in map(Path, _NEW_IN_VAR):
        if folder.is_dir() and not folder.is_symlink():
            mode = stat.S_IMODE(folder.stat().st_mode)
            parts.append(("--perms", f"{mode & 0o1777:o}", "--tmpfs", str(folder)))
    parts.append(("--dir", "/var/log/apt"))
    for path in _outermost(needed):
        if not is_shown(path):
            # bubblewrap would make them for root alone
            parts += [("--dir", str(folder)) for folder in reversed(path.parents[:-1])]
            parts.append(_overlay(path))
    # on many machines a link into /run
    resolv = _RESOLV.resolve()
    if resolv.is_file() and resolv.is_relative_to("/run"):
        parts.append(Part(Mount(resolv, str(resolv), Access.READ), "machine"))
    return parts


def covered_sockets(needed: Sequence[Path]) -> list[Words]:
    """bubblewrap's arguments that cover what listens in the folders that a job sees.

    A group of the caller's may connect to it, and so become root of this machine: docker, lxd.
    """
    bound = {line.split(" ")[-1] for line in _UNIX_SOCKETS.read_text("utf-8", "surrogateescape").splitlines()}
    paths = {Path(os.path.realpath(name)) for name in bound if name.startswith("/")}
    seen = [Path("/", name) for name in _SHOWN] + _outermost(needed)
    hidden = [Path(folder) for folder in (*_NEW, *_NEW_IN_VAR)]
    return [
        ("--ro-bind", "/dev/null", str(path))
        for path in sorted(paths)
        if any(path.is_relative_to(folder) for folder in seen)
        and not any(path.is_relative_to(folder) for folder in hidden)
        and _is_reachable(path)
    ]


def _is_reachable(socket: Path) -> bool:
    try:
        return socket.is_socket()
    except PermissionError:
        return False


def is_shown(path: Path) -> bool:
    """Whether each job sees the absolute path, and can write to it."""
    return len(path.parts) < 2 or (path.parts[1] in _SHOWN and path.parts[1] not in {"opt", "var"})


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """The folders with all links resolved, too, but none that is in another."""
    outermost: list[Path] = []
    for path in sorted({*paths, *(path.resolve() for path in paths)}):
        if not any(path.is_relative_to(other) for other in outermost):
            outermost.append(path)
    return outermost


def _mount_tree(path: Path, mounted: frozenset[str], depth: int) -> Iterator[Part | Words]:
    if path.is_symlink():
        yield ("--symlink", str(path.readlink()), str(path))
    elif not _is_public(path.stat()) or not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        if path.is_dir():
            yield ("--dir", str(path))
    elif path.is_file():
        yield Part(Mount(path, str(path), Access.READ), "machine")
    elif path.is_dir():
        if not any(point.startswith(f"{path}/") for point in mounted):
            yield _overlay(path)
        elif depth == 0:
            yield Part(Mount(path, str(path), Access.READ), "")
        else:
            # an overlay of this folder would not show what is mounted below it
            yield ("--dir", str(path))
            for entry in sorted(path.iterdir()):
                yield from _mount_tree(entry, mounted, depth - 1)


def _overlay(path: Path) -> Part:
    return Part(Mount(path, str(path), Access.PRIVATE), "machine")


def _hide_secrets(part: Part | Words) -> Part | Words:
    if not isinstance(part, Part) or part.mount.access is not Access.PRIVATE:
        return part
    hidden: list[str] = []
    for folder in map(Path, _SECRETIVE):
        if part.mount.source.is_relative_to(folder):
            hidden += _find_secrets(part.mount.source)
        elif folder.is_relative_to(part.mount.source) and folder.is_dir():
            hidden += _find_secrets(folder)
    base = f"{part.mount.source}/"
    return replace(part, hidden=tuple(path.removeprefix(base) for path in hidden))


def _find_secrets(folder: Path) -> Iterator[str]:
    """The files and folders below that only some users can read."""
    left = [str(folder)]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    continue
                if not _is_public(status):
                    yield entry.path
                elif stat.S_ISDIR(status.st_mode) and entry.path not in _NEW_IN_VAR:
                    left.append(entry.path)


def _is_public(status: os.stat_result) -> bool:
    """Whether every user can read the file, or list and enter the folder; for a user who is not root, True:
    the kernel looks at that."""
    needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else 0)
    return os.geteuid() != 0 or status.st_mode & needed == needed


def _mount_points() -> frozenset[str]:
    """The kernel's list; it writes blanks as octal."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    fields = (line.split(" ")[4] for line in lines)
    return frozenset(field.replace("\\040", " ").replace("\\011", "\t") for field in fields)
