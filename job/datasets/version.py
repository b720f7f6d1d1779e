"""What a store says about versions and datasets."""

from dataclasses import dataclass
from datetime import datetime

from job.datasets.history import Entry
from job.datasets.origin import Producer
from job.datasets.reference import DatasetRef


@dataclass(frozen=True, slots=True)
class Version:
    """A committed version. `manifest` is the sha256 of its manifest, `size` in bytes."""

    ref: DatasetRef
    created: datetime
    message: str
    origin: Producer | None
    files: int
    size: int
    manifest: str
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The version's own name, without the dataset's."""
        return self.ref.version

    def __str__(self) -> str:
        return str(self.ref)

    @classmethod
    def of(cls, dataset: DatasetRef, entry: Entry, tags: dict[str, str]) -> "Version":
        """The version of a commit's entry."""
        names = sorted(tag for tag, version in tags.items() if version == entry.version)
        ref = DatasetRef(dataset.name, entry.version or "", dataset.namespace)
        return cls(
            ref,
            entry.at,
            entry.message,
            entry.origin,
            entry.files,
            entry.size,
            entry.manifest or "",
            tuple(names),
        )


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset. `latest` is None where it has no version; `changed` is when its last event was."""

    ref: DatasetRef
    latest: str | None
    versions: int
    tags: tuple[tuple[str, str], ...]
    changed: datetime

    def __str__(self) -> str:
        return str(self.ref).rpartition(":")[0]
