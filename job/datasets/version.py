"""What is known of versions and datasets without their manifests."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from job.datasets.history import Entry, Producer
from job.datasets.reference import DatasetRef


@dataclass(frozen=True, slots=True)
class Version:
    """A committed version. `manifest` is the sha256 of its manifest, `size` in bytes."""

    ref: DatasetRef
    created: datetime
    message: str
    producer: Producer | None
    files: int
    size: int
    manifest: str
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The version's id, without the dataset's name."""
        return self.ref.version

    def __str__(self) -> str:
        return str(self.ref)

    @classmethod
    def from_entry(cls, dataset: DatasetRef, entry: Entry, tags: Mapping[str, str]) -> "Version":
        """The version that a commit's entry is about."""
        names = sorted(tag for tag, version in tags.items() if version == entry.version)
        ref = DatasetRef(dataset.name, entry.version or "", dataset.namespace)
        return cls(
            ref,
            entry.at,
            entry.message,
            entry.producer,
            entry.files,
            entry.size,
            entry.manifest or "",
            tuple(names),
        )


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset. `latest` is None if it has no version; `changed` is the time of its last event."""

    ref: DatasetRef
    latest: str | None
    versions: int
    tags: tuple[tuple[str, str], ...]
    changed: datetime

    def __str__(self) -> str:
        return self.ref.dataset
