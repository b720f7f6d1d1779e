"""What happened to a dataset, and the state that follows from it.

A dataset is its entries, oldest first; entries are only added, never changed. The same entries
always give the same `State`: the same versions, tags and latest.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from job.storage.json import check_types


@dataclass(frozen=True, slots=True)
class Producer:
    """The output of a run that made a version.

    If it is committed again, by a retried pod, no second version is made.
    """

    run: str
    job: str
    output: str


class Kind(StrEnum):
    """`delete` removes one version, `drop` all; `collect` tombstones one that was never committed."""

    CREATE = "create"
    COMMIT = "commit"
    TAG = "tag"
    UNTAG = "untag"
    DELETE = "delete"
    DROP = "drop"
    COLLECT = "collect"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `id` is random, so that no two entries have the same bytes; `at` is by the store's clock.

    A commit has a version, its number of files, their size in bytes, and the manifest's sha256.
    """

    id: str
    kind: Kind
    at: datetime
    version: str | None = None
    tag: str | None = None
    message: str = ""
    producer: Producer | None = None
    files: int = 0
    size: int = 0
    manifest: str | None = None

    def to_json(self) -> dict[str, object]:
        """Only what is set, to keep records small."""
        value = {key: value for key, value in asdict(self).items() if value}
        if self.producer:
            value["origin"] = value.pop("producer")
        return value | {"kind": self.kind.value, "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Entry":
        """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        fields = value | {"kind": Kind(value["kind"]), "at": datetime.fromisoformat(value["at"])}
        if "origin" in fields:
            fields["producer"] = Producer(**fields.pop("origin"))
            check_types(fields["producer"])
        entry = cls(**fields)
        check_types(entry)
        if entry.at.tzinfo is None:
            raise ValueError("at: no time zone")
        return entry


@dataclass(slots=True)
class State:
    """A dataset after some entries.

    `live` maps a version to the entry that committed it, `tombstones` a version that is deleted or must not
    be committed any more to the entry that says so.
    """

    exists: bool = False
    live: dict[str, Entry] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    tombstones: dict[str, Entry] = field(default_factory=dict)
    producers: dict[Producer, str] = field(default_factory=dict)

    @property
    def latest(self) -> str | None:
        """The version committed last, of those that were not deleted."""
        return next(reversed(self.live), None)

    def find_commit(self, producer: Producer | None) -> Entry | None:
        """The commit of a producer, if its version is live."""
        return self.live.get(self.producers.get(producer, "")) if producer else None

    def apply(self, entry: Entry) -> None:
        """Change the state by one more entry."""
        version = entry.version or ""
        match entry.kind:
            case Kind.CREATE:
                self.exists = True
            case Kind.COMMIT:
                self._commit(version, entry)
            case Kind.TAG:
                if version in self.live:
                    self.tags[entry.tag or ""] = version
            case Kind.UNTAG:
                self.tags.pop(entry.tag or "", None)
            case Kind.DELETE:
                self._tombstone(version, entry)
            case Kind.COLLECT:
                if version not in self.live:
                    self._tombstone(version, entry)
            case Kind.DROP:
                for version in list(self.live):
                    self._tombstone(version, entry)
                self.exists = False

    def _commit(self, version: str, entry: Entry) -> None:
        if version in self.tombstones or version in self.live:
            return
        if self.find_commit(entry.producer):  # only a log ordered by time can hold both
            self.tombstones[version] = entry
            return
        if entry.producer:
            self.producers[entry.producer] = version
        self.exists = True
        self.live[version] = entry

    def _tombstone(self, version: str, entry: Entry) -> None:
        self.live.pop(version, None)
        self.tombstones[version] = entry
        self.tags = {tag: tagged for tag, tagged in self.tags.items() if tagged != version}


def replay(entries: Iterable[Entry]) -> State:
    """The state of a dataset after `entries`, oldest first."""
    state = State()
    for entry in entries:
        state.apply(entry)
    return state
