"""Which paths a version may hold, so that no store, tool or machine can misread one.

Stores take `../x`, `a//b`, tabs and two spellings of one name as distinct keys without a word, so
this is checked here, both before a commit and when a manifest is read.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

LONGEST_PATH = 800  # bytes; a key of S3 has 1,024, and the root, dataset and version need some
LONGEST_NAME = 255  # bytes; what file systems take

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def problem(path: str) -> str | None:
    """What is wrong with one relative path, or None."""
    parts = path.split("/")
    encoded = [part.encode(errors="surrogateescape") for part in parts]
    checks = {
        "its name is not UTF-8": _SURROGATE.search(path),
        "it is absolute": path.startswith("/"),
        "it holds '..'": ".." in parts,
        "it has an empty part or '.'": "" in parts or "." in parts,
        "its name holds a control character": _CONTROL.search(path),
        f"it is longer than {LONGEST_PATH} bytes": len(b"/".join(encoded)) > LONGEST_PATH,
        f"one of its parts is longer than {LONGEST_NAME} bytes": max(map(len, encoded)) > LONGEST_NAME,
    }
    return next((message for message, wrong in checks.items() if wrong), None)


def overlapping(paths: Iterable[str]) -> list[str]:
    """The paths that are listed twice, or are a file and also the folder of another."""
    counts = Counter(paths)
    parents = {path[:at] for path in counts for at, character in enumerate(path) if character == "/"}
    return sorted(path for path, count in counts.items() if count > 1 or path in parents)


def colliding(paths: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of paths that are one file where case or Unicode spelling don't count (macOS, Windows)."""
    groups = defaultdict(set)
    for path in paths:
        groups[unicodedata.normalize("NFC", path).casefold()].add(path)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)
