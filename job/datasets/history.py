"""What happened to a dataset, and what follows from it.

A dataset is its entries, oldest first: nothing is ever changed, only added. `State` is what they
come to, so any reader of the same entries sees the same versions, tags and latest.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from job.datasets.origin import Producer


class Kind(StrEnum):
    """`delete` takes one version away, `drop` all; `collect` bars one that was never committed."""

    CREATE = "create"
    COMMIT = "commit"
    TAG = "tag"
    UNTAG = "untag"
    DELETE = "delete"
    DROP = "drop"
    COLLECT = "collect"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `id` makes each one's bytes its own; `at` is by the store's clock.

    A commit has a version, its number of files, their bytes, and the manifest's sha256.
    """

    id: str
    kind: Kind
    at: datetime
    version: str | None = None
    tag: str | None = None
    message: str = ""
    origin: Producer | None = None
    files: int = 0
    size: int = 0
    manifest: str | None = None

    def encoded(self) -> dict[str, object]:
        """Only what is set, to keep records small."""
        value: dict[str, object] = {k: v for k, v in asdict(self).items() if v}
        return value | {"kind": self.kind.value, "at": self.at.isoformat()}

    @classmethod
    def decoded(cls, value: dict[str, Any]) -> "Entry":
        """Read what `encoded` wrote. Raises KeyError, TypeError or ValueError where it is not that."""
        origin = Producer(**value["origin"]) if "origin" in value else None
        at = datetime.fromisoformat(value["at"])
        return cls(**value | {"kind": Kind(value["kind"]), "at": at, "origin": origin})


@dataclass(slots=True)
class State:
    """A dataset after some entries.

    `live` maps a version to its commit, `gone` one that can't be seen (any more) to what took it away.
    """

    exists: bool = False
    live: dict[str, Entry] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    gone: dict[str, Entry] = field(default_factory=dict)
    origins: dict[Producer, str] = field(default_factory=dict)

    @property
    def latest(self) -> str | None:
        """The version committed last, of those that were not deleted."""
        return next(reversed(self.live), None)

    def made_by(self, origin: Producer) -> Entry | None:
        """The commit from this origin, if its version is there."""
        return self.live.get(self.origins.get(origin, ""))

    def apply(self, entry: Entry) -> None:
        """Let one more entry happen."""
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
                self._take(version, entry)
            case Kind.COLLECT:
                if version not in self.live:
                    self._take(version, entry)
            case Kind.DROP:
                for version in list(self.live):
                    self._take(version, entry)
                self.exists = False

    def _commit(self, version: str, entry: Entry) -> None:
        if version in self.gone or version in self.live:
            return
        if entry.origin and self.made_by(entry.origin):  # only a log ordered by time can hold both
            self.gone[version] = entry
            return
        if entry.origin:
            self.origins[entry.origin] = version
        self.exists = True
        self.live[version] = entry

    def _take(self, version: str, entry: Entry) -> None:
        self.live.pop(version, None)
        self.gone[version] = entry
        self.tags = {tag: tagged for tag, tagged in self.tags.items() if tagged != version}


def fold(entries: Iterable[Entry]) -> State:
    """The dataset after `entries`, oldest first."""
    state = State()
    for entry in entries:
        state.apply(entry)
    return state
