"""What differs between two versions: what made them, and their files."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from job.datasets.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Change:
    """The value before and after of something that differs; None if it was or is absent."""

    name: str
    before: str | None
    after: str | None


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """The values that differ, in order of their names."""
    names = sorted(before.keys() | after.keys())
    changes = (Change(name, before.get(name), after.get(name)) for name in names)
    return [change for change in changes if change.before != change.after]


def flatten(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Each scalar in a nested value: its path (`a.b[0].c`) and its text. Empty values are left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from flatten(inner, f"{path}[{number}]")
    elif value is not None and value != "":
        yield path, value if isinstance(value, str) else json.dumps(value)


def diff_lineage(before: Manifest, after: Manifest) -> list[Change]:
    """Compare what made the versions: settings, commit, model, inputs."""
    return compare(dict(flatten(before.lineage)), dict(flatten(after.lineage)))


def diff_files(before: Manifest, after: Manifest) -> list[Change]:
    """Compare files by size, mode and digest, links by target."""

    def describe(manifest: Manifest) -> dict[str, str]:
        files = {f.path: f"{f.size} bytes, {f.mode:04o}, {f.sha256[:12]}" for f in manifest.files}
        links = {link.path: f"link to {link.target}" for link in manifest.links}
        return files | links | {folder.path: "empty folder" for folder in manifest.folders}

    return compare(describe(before), describe(after))
