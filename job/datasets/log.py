"""A dataset's log in a store: one record for each thing that happened, numbered without gaps.

Record n is put under its key if that is absent, so of all writers that have seen n - 1 records one
wins, and the others look again. That makes the order of events the same for everybody, with no lock
and no clock. Keys count downwards: the first key of the listing is the newest record.

    {"format": 1, "sequence": n, "exists": …, "latest": …, "tags": {…}, "versions": how many,
     "entry": {…}, "earlier": [up to 63 entries before it, newest first]}

So the newest record alone says what `latest` and the tags are, and a log of 10,000 records is read
with 157 requests.

Where the store does not keep put-if-absent, keys are `<inverted time>-<entry>` by its clock. Nothing
is lost then either, but writers may miss each other, so all records are read, in that order.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from job.datasets import latest_index, layout
from job.datasets.history import Entry, State, fold
from job.datasets.reference import DatasetRef
from job.errors import StoreError
from job.storage.json import decode, encode
from job.storage.parallel import each
from job.storage.store import KeyAbsentError, Store

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

    def head(self, announced: int | None = None) -> Head:
        """The newest record; EMPTY where there is none. One listing of one key, and one get.

        Only the get where the number that is `announced` is that of a record (see job.datasets.latest_index);
        then `entries` holds the newest one alone.
        """
        if announced is not None:
            with suppress(KeyAbsentError):
                key = layout.record(self.ref, announced)
                return _decoded(self.store.get(key), key, entries=1)
        newest = self._newest()
        if newest is None:
            return EMPTY
        if layout.milliseconds(newest) is None:
            return self._record(newest)
        entries = self._read_timed()  # writers may not have seen each other: only all of them say
        state = fold(entries)
        newest_first = tuple(reversed(entries))
        return Head(len(entries), state.exists, state.latest, state.tags, len(state.live), newest_first)

    def read(self, known: Sequence[Entry] = ()) -> list[Entry]:
        """Every entry, oldest first; `known` are the oldest ones, where they have been read before."""
        return self._read(known)[0]

    def append(self, decide: Callable[[State], Entry | None], known: Sequence[Entry] = ()) -> State:
        """Add the entry that `decide` wants, given the dataset as it is; None adds nothing.

        `decide` is asked again whenever another writer was first, and may raise. `known` is as for
        `read`. Returns the dataset as it is then.
        """
        entries = known
        passed: set[int] = set()
        attempt = 0
        while True:
            entries, newest_time = self._read(entries)
            state = fold(entries)
            entry = decide(state)
            if entry is None:
                return state
            state.apply(entry)
            body = _encoded(entry, entries, state)
            if newest_time is not None or not self.store.supports_conditional_writes():
                return self._append_timed(entry, body, newest_time or 0)
            passed |= {len(entries)} - {0}
            latest_index.announce(self.store, self.ref, len(entries) + 1)
            if self.store.put_if_absent(layout.record(self.ref, len(entries) + 1), body):
                latest_index.withdraw(self.store, self.ref, passed)
                return state
            attempt += 1
            time.sleep(random.uniform(0, min(0.001 * 2**attempt, _LONGEST_WAIT)))  # noqa: S311

    def _append_timed(self, entry: Entry, body: bytes, newest: int) -> State:
        """Add a record after the newest one, by the store's clock; others may do so at the same time."""
        latest_index.announce(self.store, self.ref, layout.HIGHEST)  # for good: numbers say nothing any more
        now = int(self.store.now().timestamp() * 1000)
        self.store.put(layout.timed_record(self.ref, max(now, newest + 1), entry.id), body)
        return fold(self.read())

    def _newest(self) -> str | None:
        return next((found.key for found in self.store.listing(layout.log(self.ref), limit=1)), None)

    def _read(self, known: Sequence[Entry]) -> tuple[list[Entry], int | None]:
        """Every entry, and the newest one's time where the log is ordered by time."""
        newest = self._newest()
        newest_time = None if newest is None else layout.milliseconds(newest)
        return self._read_numbered(newest, known) if newest_time is None else self._read_timed(), newest_time

    def _read_numbered(self, newest: str | None, known: Sequence[Entry]) -> list[Entry]:
        if newest is None:
            return []
        head = self._record(newest)
        numbers = range(head.sequence - _TOGETHER, len(known), -_TOGETHER)
        before = each(self._record, (layout.record(self.ref, number) for number in numbers))
        new = [entry for record in (head, *before) for entry in record.entries][: head.sequence - len(known)]
        if len(known) + len(new) != head.sequence:
            raise StoreError(f"{newest}: damaged in the store: does not repeat the records before it")
        return [*known, *reversed(new)]

    def _read_timed(self) -> list[Entry]:
        keys = [found.key for found in self.store.listing(layout.log(self.ref))]
        timed = [key for key in keys if layout.milliseconds(key) is not None]
        numbered = self._read_numbered(keys[len(timed)] if len(timed) < len(keys) else None, ())
        return numbered + [record.entries[0] for record in each(self._record, reversed(timed))]

    def _record(self, key: str) -> Head:
        try:
            return _decoded(self.store.get(key), key)
        except KeyAbsentError as error:
            raise StoreError(f"{key}: this record of the log is missing; was it deleted by hand?") from error


def _decoded(body: bytes, key: str, entries: int = _TOGETHER) -> Head:
    value = decode(body, key)
    try:
        return Head(
            int(value["sequence"]),
            value["exists"],
            value["latest"],
            value["tags"],
            int(value["versions"]),
            tuple(Entry.decoded(entry) for entry in [value["entry"], *value["earlier"]][:entries]),
        )
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
