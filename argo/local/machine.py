"""This machine's file system as a job may see it: bwrap's arguments, one tuple a mount."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

# A mount deeper than this below the root is seen read-only, its neighbours with it.
_DEPTH = 3
_RESOLV = Path("/etc/resolv.conf")


def view(fresh: Sequence[str], needed: Iterable[Path]) -> list[tuple[str, ...]]:
    """Everything below `/`, copy-on-write, but for the `fresh` folders, which start empty.

    What is `needed` and lies in a fresh folder is put back there. The parts are to be made in order.
    """
    mounted = _mount_points()
    parts: list[tuple[str, ...]] = []
    for entry in sorted(Path("/").iterdir()):
        if str(entry) not in (*fresh, "/inputs", "/outputs", "/storage"):
            parts += _entry(entry, mounted, _DEPTH)
    # /proc, /dev and /sys are the caller's
    hidden = [Path(folder) for folder in fresh if folder not in {"/proc", "/dev", "/sys"}]
    parts += [("--tmpfs", str(folder)) for folder in hidden]
    back: list[Path] = []
    for path in sorted({*needed, *(path.resolve() for path in needed)}):
        if any(path.is_relative_to(folder) for folder in hidden) and not any(
            path.is_relative_to(other) for other in back
        ):
            back.append(path)
    parts += [_overlay(path) for path in back]
    # on many machines a link into /run
    resolv = _RESOLV.resolve()
    if resolv.is_file() and any(resolv.is_relative_to(folder) for folder in hidden):
        parts.append(("--ro-bind", str(resolv), str(resolv)))
    return parts


def _entry(path: Path, mounted: frozenset[str], depth: int) -> Iterator[tuple[str, ...]]:
    if path.is_symlink():
        yield ("--symlink", str(path.readlink()), str(path))
    elif not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        if path.is_dir():
            yield ("--dir", str(path))
    elif path.is_file():
        yield ("--ro-bind", str(path), str(path))
    elif path.is_dir():
        if not any(point.startswith(f"{path}/") for point in mounted):
            yield _overlay(path)
        elif depth == 0:
            yield ("--ro-bind", str(path), str(path))
        else:
            # an overlay of this folder would not show what is mounted below it
            yield ("--dir", str(path))
            for entry in sorted(path.iterdir()):
                yield from _entry(entry, mounted, depth - 1)


def _overlay(path: Path) -> tuple[str, ...]:
    return ("--overlay-src", str(path), "--tmp-overlay", str(path))


def _mount_points() -> frozenset[str]:
    """The kernel's list; it writes blanks as octal."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    fields = (line.split(" ")[4] for line in lines)
    return frozenset(field.replace("\\040", " ").replace("\\011", "\t") for field in fields)
