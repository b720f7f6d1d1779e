"""Garbage collection: removing what belongs to no version.

A version that is not in the log may be one that is being committed. So it is tombstoned in the log first,
and a commit that comes later is refused. Its files are removed only when that tombstone, or the deletion of
a version, is so old that nobody reads the files any more, and no recent run refers to them. What the shards
of a job have stored is removed when the version of it is committed. All times are the store's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from job.datasets import layout
from job.datasets.history import Entry, Kind, State, replay
from job.datasets.latest_index import prune_hints, read_hints
from job.datasets.log import Log
from job.datasets.reference import RUNS, DatasetRef
from job.errors import InputError, StoreError
from job.storage import json
from job.storage.probe import PROBES
from job.storage.store import KeyAbsentError, Object, Store

DEFAULT_AGE = timedelta(days=1)
RUN_AGE = timedelta(days=30)
_BATCH = 1000  # objects
_PROBE_AGE = timedelta(hours=1)  # what is younger may be that of a probe, which takes seconds


@dataclass(frozen=True, slots=True)
class Freed:
    """Something that was removed, and its size in bytes; 0 for an interrupted upload."""

    name: str
    size: int


def collect_garbage(store: Store, age: timedelta = DEFAULT_AGE) -> Iterator[Freed]:
    """Remove interrupted uploads and probes, uncommitted and deleted versions older than `age`, and old runs.

    Also what the shards of a job have stored whose version was committed before `age`.
    What was uploaded but never committed is tombstoned by one call and removed by the first call after
    `age`. With an `age` of 0 everything is old enough.
    """
    now = store.now()
    before = now - age if age else now + timedelta(days=1)
    for key in store.remove_interrupted_uploads(before):
        yield Freed(key, 0)
    probes = [item for item in store.list_objects(PROBES) if item.modified < min(before, now - _PROBE_AGE)]
    if probes:
        yield _remove(store, PROBES, probes)
    in_use: set[DatasetRef] = set()
    for run in store.list_folders(f"{RUNS}/"):
        if _is_older(store, f"{RUNS}/{run}/", before - RUN_AGE):
            yield from _remove_all(store, f"{RUNS}/{run}/")
            continue
        in_use |= _read_resolved(store, run)
        for job in store.list_folders(layout.shards_prefix(run)):
            if _is_over(store, run, job, before):
                yield from _remove_all(store, layout.shards_prefix(run, job), keep=layout.over_key(run, job))
    for ref, numbers in read_hints(store).items():
        prune_hints(store, ref, numbers[:-1])
    for ref in layout.list_refs(store):
        yield from _collect_dataset(store, ref, in_use, before)


def _collect_dataset(
    store: Store, ref: DatasetRef, in_use: set[DatasetRef], before: datetime
) -> Iterator[Freed]:
    log = Log(store, ref)
    prefix = layout.dataset_prefix(ref)
    manifests = {item.key: item for item in store.list_objects(f"{prefix}manifest/")}
    found = {key.removeprefix(f"{prefix}manifest/").removesuffix(".json") for key in manifests}
    found.update(store.list_folders(f"{prefix}data/"))
    entries = log.read()
    state = replay(entries)
    for version in sorted(filter(layout.is_id, found - state.live.keys())):
        objects = list(store.list_objects(layout.data_prefix(ref, version)))
        if manifest := manifests.get(layout.manifest_key(ref, version)):
            objects.append(manifest)
        if not objects:  # somebody's empty folder
            continue
        tombstone = state.tombstones.get(version)
        if tombstone is None and all(item.modified < before for item in objects):
            tombstone = _put_tombstone(store, log, version, entries)
        if tombstone is None or tombstone.at >= before:
            continue
        name = DatasetRef(ref.name, version, ref.namespace)
        if name in in_use:
            continue
        entries = log.read(entries)
        if version not in replay(entries).live:
            yield _remove(store, str(name), objects)


def _put_tombstone(store: Store, log: Log, version: str, known: Sequence[Entry]) -> Entry | None:
    """Forbid that a version is committed; returns the entry that does, None if it was committed meanwhile."""

    def decide(state: State) -> Entry | None:
        if version in state.live or version in state.tombstones:
            return None
        return Entry(layout.new_id(), Kind.COLLECT, store.now(), version=version)

    return log.append(decide, known).tombstones.get(version)


def _remove(store: Store, name: str, objects: list[Object]) -> Freed:
    store.delete(item.key for item in objects)
    return Freed(name, sum(item.size for item in objects))


def _is_older(store: Store, prefix: str, before: datetime) -> bool:
    """Whether all objects were written before that time."""
    return all(item.modified < before for item in store.list_objects(prefix))


def _is_over(store: Store, run: str, job: str, before: datetime) -> bool:
    """Whether the version of a job's shards was committed before that time."""
    key = layout.over_key(run, job)
    try:
        return datetime.fromisoformat(json.decode(store.get(key), key)["at"]) < before
    except KeyAbsentError:
        return False
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{key}: damaged in the store: {error!r}") from error


def _remove_all(store: Store, prefix: str, keep: str = "") -> Iterator[Freed]:
    """Remove all below a prefix but the key `keep`, in bounded memory: it may be millions of objects."""
    objects = (item for item in store.list_objects(prefix) if item.key != keep)
    count = size = 0
    while batch := list(islice(objects, _BATCH)):
        store.delete(item.key for item in batch)
        count, size = count + len(batch), size + sum(item.size for item in batch)
    if count:
        yield Freed(prefix, size)


def _read_resolved(store: Store, run: str) -> set[DatasetRef]:
    """The versions that a run reads."""
    key = f"{RUNS}/{run}/resolved.json"
    try:
        return {DatasetRef.parse(str(version)) for version in json.parse(store.get(key), key).values()}
    except KeyAbsentError:
        return set()
    except InputError as error:
        raise StoreError(f"{key}: damaged in the store: {error}") from error
