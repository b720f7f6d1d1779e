"""What changed from one version to another: what made it, its files, and the texts it holds."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from job.datasets.manifest import Manifest

TEXTS = "outputs.jsonl"


@dataclass(frozen=True, slots=True)
class Change:
    """A thing's value before and after; None where it was not, or is no longer, there."""

    name: str
    before: str | None
    after: str | None


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """The names whose values differ, in order."""
    names = sorted(before.keys() | after.keys())
    changes = (Change(name, before.get(name), after.get(name)) for name in names)
    return [change for change in changes if change.before != change.after]


def flat(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """A nested value as `a.b[0].c` and its text; what is empty is left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from flat(inner, f"{path}[{number}]")
    elif value is not None and value != "":
        yield path, value if isinstance(value, str) else json.dumps(value)


def lineage_changes(before: Manifest, after: Manifest) -> list[Change]:
    """What made the versions: settings, commit, model, inputs."""
    return changed(dict(flat(before.lineage)), dict(flat(after.lineage)))


def file_changes(before: Manifest, after: Manifest) -> list[Change]:
    """Files by size, mode and digest, links by target."""

    def described(manifest: Manifest) -> dict[str, str]:
        files = {f.path: f"{f.size} bytes, {f.mode:04o}, {f.sha256[:12]}" for f in manifest.files}
        links = {link.path: f"link to {link.target}" for link in manifest.links}
        return files | links | {folder.path: "empty folder" for folder in manifest.folders}

    return changed(described(before), described(after))


def text_changes(before: bytes, after: bytes) -> list[Change]:
    """Sequences of two `outputs.jsonl`, by prompt and number. A line that is no such row is skipped."""
    return changed(_texts(before), _texts(after))


def _texts(body: bytes) -> dict[str, str]:
    texts: dict[str, str] = {}
    for line in body.splitlines():
        try:
            row = json.loads(line)
            if isinstance(row["text"], str):
                texts[f"{row['id']} #{row['sequence']}"] = row["text"]
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return texts
