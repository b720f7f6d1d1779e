"""A dataset's log in a store: one record for each event, numbered without gaps.

Record n is put if its key is absent, so of all writers that have read n - 1 records one wins, and the
others read again. That makes the order of events the same for everybody, with no lock and no clock.
Keys count downwards: the first key of the listing is the newest record.

    {"format": 1, "sequence": n, "exists": …, "latest": …, "tags": {…}, "versions": how many,
     "entry": {…}, "earlier": [up to 63 entries before it, newest first]}

So the newest record alone says what `latest` and the tags are, and a log of 10,000 records is read
with 157 requests.

If the store does not support conditional writes, keys are `<inverted time>-<entry>` by its clock. Nothing
is lost then either, but writers may miss each other, so all records are read, in that order.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from job.datasets import layout
from job.datasets.history import Entry, Kind, State, replay
from job.datasets.latest_index import prune_hints, publish_hint
from job.datasets.reference import DatasetRef
from job.errors import StoreError
from job.storage import json
from job.storage.parallel import parallel_map
from job.storage.store import KeyAbsentError, Store

_ENTRIES = 64  # in one record
_LONGEST_WAIT = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log record: its number, the dataset's state after it, and its latest entries, newest first."""

    number: int
    exists: bool
    latest: str | None
    tags: Mapping[str, str]
    versions: int
    entries: tuple[Entry, ...]


EMPTY = LogRecord(0, False, None, {}, 0, ())


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one dataset."""

    store: Store
    ref: DatasetRef

    def read_newest(self, hint: int | None = None) -> LogRecord:
        """The newest record; EMPTY if there is none. One listing of one key, and one get.

        Only the get if a record has the number `hint` (see job.datasets.latest_index); `entries` then holds
        the newest one alone.
        """
        if hint is not None:
            with suppress(KeyAbsentError):
                key = layout.log_key(self.ref, hint)
                return _decode(self.store.get(key), key, entries=1)
        newest = self._find_newest()
        if newest is None:
            return EMPTY
        if layout.parse_milliseconds(newest) is None:
            return self._get(newest)
        entries = self._read_timed()  # writers may have missed each other, so one record does not say all
        state = replay(entries)
        newest_first = tuple(  # without commits that history rejects
            each for each in reversed(entries) if each.kind is not Kind.COMMIT or each.version in state.live
        )
        return LogRecord(len(entries), state.exists, state.latest, state.tags, len(state.live), newest_first)

    def read(self, known: Sequence[Entry] = ()) -> list[Entry]:
        """Every entry, oldest first; `known` are the oldest ones, if they have been read before."""
        return self._read(known)[0]

    def append(self, decide: Callable[[State], Entry | None], known: Sequence[Entry] = ()) -> State:
        """Add the entry that `decide` returns for the dataset's state; None adds nothing.

        `decide` is called again whenever another writer was first, and may raise. `known` is as for
        `read`. Returns the state afterwards.
        """
        entries = known
        outdated: set[int] = set()  # numbers of hints
        attempt = 0
        while True:
            entries, newest_time = self._read(entries)
            state = replay(entries)
            entry = decide(state)
            if entry is None:
                return state
            state.apply(entry)
            body = _encode(entry, entries, state)
            if newest_time is not None or not self.store.supports_conditional_writes():
                return self._append_timed(entry, body, newest_time or 0)
            outdated |= {len(entries)} - {0}
            publish_hint(self.store, self.ref, len(entries) + 1)
            if self.store.put_if_absent(layout.log_key(self.ref, len(entries) + 1), body):
                prune_hints(self.store, self.ref, outdated)
                return state
            attempt += 1
            time.sleep(random.uniform(0, min(0.001 * 2**attempt, _LONGEST_WAIT)))  # noqa: S311

    def _append_timed(self, entry: Entry, body: bytes, newest: int) -> State:
        """Add a record after the newest one, by the store's clock; others may do so at the same time."""
        publish_hint(self.store, self.ref, layout.HIGHEST)  # stays: numbers say nothing any more
        now = int(self.store.now().timestamp() * 1000)
        self.store.put(layout.timed_log_key(self.ref, max(now, newest + 1), entry.id), body)
        return replay(self.read())

    def _find_newest(self) -> str | None:
        """The newest record's key: the first one, unless somebody else has put a key there."""
        first = next(self._list_keys(limit=1), None)
        if first is None or layout.is_log_key(self.ref, first):
            return first
        return next((key for key in self._list_keys() if layout.is_log_key(self.ref, key)), None)

    def _list_keys(self, limit: int | None = None) -> Iterator[str]:
        return (item.key for item in self.store.list_objects(layout.log_prefix(self.ref), limit))

    def _read(self, known: Sequence[Entry]) -> tuple[list[Entry], int | None]:
        """Every entry, and the newest one's time if the log is ordered by time."""
        newest = self._find_newest()
        newest_time = None if newest is None else layout.parse_milliseconds(newest)
        return self._read_numbered(newest, known) if newest_time is None else self._read_timed(), newest_time

    def _read_numbered(self, newest: str | None, known: Sequence[Entry]) -> list[Entry]:
        if newest is None:
            return []
        last = self._get(newest)
        numbers = range(last.number - _ENTRIES, len(known), -_ENTRIES)
        earlier = parallel_map(self._get, (layout.log_key(self.ref, number) for number in numbers))
        new = [entry for record in (last, *earlier) for entry in record.entries][: last.number - len(known)]
        if len(known) + len(new) != last.number:
            raise StoreError(f"{newest}: damaged in the store: does not repeat the records before it")
        return [*known, *reversed(new)]

    def _read_timed(self) -> list[Entry]:
        keys = [key for key in self._list_keys() if layout.is_log_key(self.ref, key)]
        timed = [key for key in keys if layout.parse_milliseconds(key) is not None]
        numbered = self._read_numbered(keys[len(timed)] if len(timed) < len(keys) else None, ())
        return numbered + [record.entries[0] for record in parallel_map(self._get, reversed(timed))]

    def _get(self, key: str) -> LogRecord:
        try:
            return _decode(self.store.get(key), key)
        except KeyAbsentError as error:
            raise StoreError(f"{key}: this record of the log is missing; was it deleted by hand?") from error


def _decode(body: bytes, key: str, entries: int = _ENTRIES) -> LogRecord:
    value = json.decode(body, key)
    try:
        record = LogRecord(
            value["sequence"],
            value["exists"],
            value["latest"],
            value["tags"],
            value["versions"],
            tuple(Entry.from_json(entry) for entry in [value["entry"], *value["earlier"]][:entries]),
        )
        json.check_types(record)
        if not all(isinstance(version, str) for version in record.tags.values()):
            raise TypeError("tags")
        if layout.parse_number(key) not in (None, record.number):
            raise ValueError(f"sequence: {record.number}")
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{key}: damaged in the store: {error!r}") from error
    return record


def _encode(entry: Entry, earlier: Sequence[Entry], state: State) -> bytes:
    return json.encode(
        {
            "format": 1,
            "sequence": len(earlier) + 1,
            "exists": state.exists,
            "latest": state.latest,
            "tags": state.tags,
            "versions": len(state.live),
            "entry": entry.to_json(),
            "earlier": [e.to_json() for e in reversed(earlier[-_ENTRIES + 1 :])],
        }
    )
