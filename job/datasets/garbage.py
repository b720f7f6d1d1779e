"""Garbage collection: freeing what no version holds.

A version that is not in the log may still be on its way. So it is barred in the log first: whoever
commits it after that is refused. Only when the bar, or the deletion of a version, is old enough that
nobody reads it any more, and no recent run refers to it, are its files removed. All times are the
store's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from job.datasets import latest_index, layout
from job.datasets.history import Entry, Kind, State, fold
from job.datasets.log import Log
from job.datasets.reference import LATEST, DatasetRef
from job.storage.json import parse
from job.storage.store import KeyAbsentError, Object, Store

DEFAULT_AGE = timedelta(days=1)
RUN_AGE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Freed:
    """Something that was removed, and its size in bytes; for an upload that is not known."""

    name: str
    size: int


def collect(store: Store, age: timedelta = DEFAULT_AGE) -> Iterator[Freed]:
    """Remove interrupted uploads, uncommitted and deleted versions older than `age`, and old runs.

    What was uploaded but never committed is barred by one call and removed by the first that comes
    `age` later. With an `age` of 0 everything is old enough.
    """
    before = store.now() - age if age else store.now() + timedelta(days=1)
    for name in store.sweep(before):
        yield Freed(name, 0)
    held: set[DatasetRef] = set()
    for run in store.folders(f"{layout.RUNS}/"):
        prefix = f"{layout.RUNS}/{run}/"
        found = list(store.listing(prefix))
        if all(item.modified < before - RUN_AGE for item in found):
            yield _remove(store, prefix, found)
        else:
            held |= _held(store, run)
    for ref, numbers in latest_index.announced(store).items():
        latest_index.withdraw(store, ref, numbers[:-1])
    for namespace in layout.namespaces(store.folders("")):
        for name in store.folders(f"{namespace}/"):
            yield from _collect_dataset(store, DatasetRef(name, LATEST, namespace), held, before)


def _collect_dataset(
    store: Store, ref: DatasetRef, held: set[DatasetRef], before: datetime
) -> Iterator[Freed]:
    log = Log(store, ref)
    manifests = {
        found.key.rpartition("/")[2].removesuffix(".json"): found
        for found in store.listing(f"{layout.folder(ref)}manifest/")
    }
    entries = log.read()
    state = fold(entries)
    for version in sorted({*manifests, *store.folders(f"{layout.folder(ref)}data/")} - state.live.keys()):
        found = list(store.listing(layout.data(ref, version)))
        found += [manifests[version]] if version in manifests else []
        tombstone = state.gone.get(version)
        if tombstone is None and all(item.modified < before for item in found):
            tombstone = _barred(store, log, version, entries)
        if tombstone is None or tombstone.at >= before:
            continue
        name = DatasetRef(ref.name, version, ref.namespace)
        if name in held:
            continue
        entries = log.read(entries)
        if version not in fold(entries).live:
            yield _remove(store, str(name), found)


def _barred(store: Store, log: Log, version: str, known: Sequence[Entry]) -> Entry | None:
    """The entry that bars a version from being committed; None where it has been meanwhile."""

    def decide(state: State) -> Entry | None:
        if version in state.live or version in state.gone:
            return None
        return Entry(layout.new_version(), Kind.COLLECT, store.now(), version=version)

    return log.append(decide, known).gone.get(version)


def _remove(store: Store, name: str, found: list[Object]) -> Freed:
    store.delete(item.key for item in found)
    return Freed(name, sum(item.size for item in found))


def _held(store: Store, run: str) -> set[DatasetRef]:
    """The versions that a run has resolved."""
    key = f"{layout.RUNS}/{run}/resolved.json"
    try:
        return {DatasetRef.parse(version) for version in parse(store.get(key), key).values()}
    except KeyAbsentError:
        return set()
