"""Which paths a version may hold, so that no store, tool or machine misreads one.

A store accepts `../x`, `a//b`, tabs and two spellings of one name as different keys, so paths are checked
here, both before a commit and when a manifest is read.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

LONGEST_PATH = 800  # bytes; a key of S3 has 1,024, and the root, dataset and version need some
LONGEST_NAME = 255  # bytes; the limit of file systems

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def find_problem(path: str) -> str | None:
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


def find_overlapping(paths: Iterable[str]) -> list[str]:
    """The paths that appear twice, or are a file and also the folder of another path."""
    counts = Counter(paths)
    parents = {path[:at] for path in counts for at, character in enumerate(path) if character == "/"}
    return sorted(path for path, count in counts.items() if count > 1 or path in parents)


def find_collisions(paths: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of paths that are one file where case or Unicode spelling don't count (macOS, Windows)."""
    groups = defaultdict(set)
    for path in paths:
        groups[unicodedata.normalize("NFC", path).casefold()].add(path)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)
