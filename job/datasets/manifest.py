"""What a version holds, and what made it.

    {"format": 1, "dataset": "default/demo-dataset", "version": "…", "parent": "…" or null,
     "message": "…", "origin": {"run", "job", "output"} or null, "lineage": {…},
     "files": [{"path", "size", "sha256", "mode": "0644"}],
     "links": [{"path", "target"}], "folders": [{"path", "mode"}]}

Sizes are in bytes, paths relative with `/`. `links` are symbolic, `folders` the empty ones.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from job.datasets.history import Producer
from job.errors import StoreError
from job.storage import json
from job.storage.paths import find_overlapping, find_problem

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; `mode` holds the permission bits."""

    path: str
    size: int
    sha256: str
    mode: int


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link; `target` is relative to the link's own folder."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with nothing in it."""

    path: str
    mode: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A version's content; `dataset` is `namespace/name`, `parent` the version that was the latest before."""

    dataset: str
    version: str
    parent: str | None
    message: str
    producer: Producer | None
    lineage: Mapping[str, object]
    files: tuple[File, ...]
    links: tuple[Link, ...]
    folders: tuple[Folder, ...]

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(file.size for file in self.files)

    def paths(self) -> list[str]:
        """The paths of files, links and empty folders."""
        return [
            *(file.path for file in self.files),
            *(link.path for link in self.links),
            *(folder.path for folder in self.folders),
        ]

    def encode(self) -> bytes:
        """The bytes that the store holds."""
        return json.encode(
            {
                "format": 1,
                "dataset": self.dataset,
                "version": self.version,
                "parent": self.parent,
                "message": self.message,
                "origin": asdict(self.producer) if self.producer else None,
                "lineage": dict(self.lineage),
                "files": [
                    {"path": file.path, "size": file.size, "sha256": file.sha256, "mode": f"{file.mode:04o}"}
                    for file in self.files
                ],
                "links": [asdict(link) for link in self.links],
                "folders": [asdict(folder) | {"mode": f"{folder.mode:04o}"} for folder in self.folders],
            }
        )

    @classmethod
    def decode(cls, body: bytes, key: str) -> "Manifest":
        """Read what `encode` wrote.

        Raises StoreError if it is damaged, or holds a path that could leave the version's folder:
        anybody may have written a manifest.
        """
        value = json.decode(body, key)
        try:
            manifest = cls(
                value["dataset"],
                value["version"],
                value["parent"],
                value["message"],
                Producer(**value["origin"]) if value["origin"] else None,
                value["lineage"],
                tuple(File(f["path"], int(f["size"]), f["sha256"], _mode(f["mode"])) for f in value["files"]),
                tuple(Link(link["path"], link["target"]) for link in value["links"]),
                tuple(Folder(folder["path"], _mode(folder["mode"])) for folder in value["folders"]),
            )
            json.check_types(manifest)
            if manifest.producer:
                json.check_types(manifest.producer)
            for link in manifest.links:
                json.check_types(link)
            entries = manifest.paths()
            wrong = [path for path in entries if find_problem(path)]
            wrong += [file.path for file in manifest.files if not _SHA256.fullmatch(file.sha256)]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"{key}: not a manifest: {error!r}") from error
        wrong += find_overlapping(entries)
        if wrong:
            raise StoreError(f"{key}: not a manifest that can be trusted: {wrong[0]!r}")
        return manifest


def _mode(text: str) -> int:
    return int(text, 8) & 0o777
