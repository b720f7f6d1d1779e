"""A dataset's log in a store: one record for each thing that happened, numbered without gaps.

Record n is put under its key if that is absent, so of all writers that have seen n - 1 records one
wins, and the others look again. That makes the order of events the same for everybody, with no lock
and no clock. Keys count downwards: the first key of the listing is the newest record.

    {"format": 1, "sequence": n, "exists": …, "latest": …, "tags": {…}, "versions": how many,
     "entry": {…}, "earlier": [up to 63 entries before it, newest first]}

So the newest record alone says what `latest` and the tags are, and a log of 10,000 records is read
with 157 requests.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from job.datasets import layout
from job.datasets.encoding import decode, encode
from job.datasets.history import Entry, State, fold
from job.datasets.parallel import each
from job.datasets.reference import DatasetRef
from job.datasets.store import KeyAbsentError, Store
from job.errors import StoreError

_TOGETHER = 64  # entries in one record
_LONGEST_WAIT = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class Head:
    """What the newest record says; `entries` are the newest ones, newest first."""

    sequence: int
    exists: bool
    latest: str | None
    tags: Mapping[str, str]
    versions: int
    entries: tuple[Entry, ...]


EMPTY = Head(0, False, None, {}, 0, ())


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one dataset."""

    store: Store
    ref: DatasetRef

    def head(self) -> Head:
        """The newest record; EMPTY where there is none. One listing of one key, and one get."""
        for found in self.store.listing(layout.log(self.ref), limit=1):
            return self._record(layout.sequence(found.key))
        return EMPTY

    def read(self, known: Sequence[Entry] = ()) -> list[Entry]:
        """Every entry, oldest first; `known` are the oldest ones, where they have been read before."""
        head = self.head()
        numbers = range(head.sequence - _TOGETHER, len(known), -_TOGETHER)
        newest_first = [*head.entries, *(e for record in each(self._record, numbers) for e in record.entries)]
        new = newest_first[: head.sequence - len(known)]
        if len(known) + len(new) != head.sequence:
            raise StoreError(
                f"{layout.record(self.ref, head.sequence)}: does not repeat the records before it"
            )
        return [*known, *reversed(new)]

    def append(self, decide: Callable[[State], Entry | None]) -> State:
        """Add the entry that `decide` wants, given the dataset as it is; None adds nothing.

        `decide` is asked again whenever another writer was first, and may raise. Returns the dataset
        as it is then.
        """
        entries: list[Entry] = []
        attempt = 0
        while True:
            entries = self.read(entries)
            state = fold(entries)
            entry = decide(state)
            if entry is None:
                return state
            state.apply(entry)
            key = layout.record(self.ref, len(entries) + 1)
            if self.store.put_if_absent(key, _encoded(entry, entries, state)):
                return state
            attempt += 1
            time.sleep(random.uniform(0, min(0.001 * 2**attempt, _LONGEST_WAIT)))  # noqa: S311

    def _record(self, sequence: int) -> Head:
        key = layout.record(self.ref, sequence)
        try:
            value = decode(self.store.get(key), key)
            return Head(
                int(value["sequence"]),
                value["exists"],
                value["latest"],
                value["tags"],
                int(value["versions"]),
                tuple(Entry.decoded(entry) for entry in [value["entry"], *value["earlier"]]),
            )
        except KeyAbsentError as error:
            raise StoreError(f"{key}: this record of the log is missing; was it deleted by hand?") from error
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{key}: damaged in the store: {error!r}") from error


def _encoded(entry: Entry, earlier: Sequence[Entry], state: State) -> bytes:
    return encode(
        {
            "format": 1,
            "sequence": len(earlier) + 1,
            "exists": state.exists,
            "latest": state.latest,
            "tags": state.tags,
            "versions": len(state.live),
            "entry": entry.encoded(),
            "earlier": [e.encoded() for e in reversed(earlier[-_TOGETHER + 1 :])],
        }
    )
