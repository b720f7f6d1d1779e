"""What the jobs of one run leave for one another in the store.

    runs/<run>/resolved.json             the dataset versions that the run reads
    runs/<run>/commits/<job>.json        the commit that a checkout's ref stood for
    runs/<run>/jobs/<job>.json           a finished job: its strings, volumes and dataset versions
    runs/<run>/volumes/<job>/<random>/…  the volumes' files
    runs/<run>/logs/<job>/…              the job's logs (job.pod.logs)
    runs/<run>/shards/<job>/…            a generation in shards (job.pod.shards)

The first two are put if absent: the first job decides for the run. A job's results are put last, when all
they name is stored, so a job that has results is done, however its pod ended.

If the store does not support conditional writes, time decides, as in Fischer's mutual exclusion: a job that
finds nothing puts its own, waits, and takes what is there then; a job that finds something waits and reads it
again. A job that put later than within that wait says that the run can't go on.
"""

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from job.datasets import DatasetRef, Datasets
from job.datasets.reference import RUNS
from job.errors import InputError, StoreError
from job.storage.json import parse
from job.storage.store import KeyAbsentError, Store

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
SETTLED = 5.0  # seconds from finding nothing to the end of the put that follows, at most


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder, packed: one tar file under `key`."""

    key: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class JobResults:
    """A finished job. `datasets` holds whole references: NAME:VERSION."""

    strings: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)


def read_results(store: Store, run: str, job: str) -> JobResults | None:
    """The job's results; None if it has not finished."""
    document = get_json(store, _key(run, "jobs", job))
    if document is None:
        return None
    volumes = {name: Volume(**volume) for name, volume in document["volumes"].items()}
    return JobResults(document["strings"], volumes, document["datasets"])


def write_results(store: Store, run: str, job: str, results: JobResults) -> None:
    """Store the results, by which the job is done."""
    store.put(_key(run, "jobs", job), _encode(asdict(results)))


def resolve_datasets(datasets: Datasets, run: str, refs: Iterable[str]) -> Mapping[str, str]:
    """The version of each of `refs`, the same for every job of the run.

    Raises UnknownReferenceError, naming the nearest, for one that does not exist.
    """
    key = f"{RUNS}/{run}/resolved.json"
    decided = _get_decided(datasets.store, key)
    if decided is None:
        versions = {ref: str(datasets.resolve(DatasetRef.parse(ref))) for ref in refs}
        decided = decide(datasets.store, key, versions)
    return decided


def read_commit(store: Store, run: str, job: str) -> str | None:
    """The commit that the run uses for the checkout of `job`; None if that is not decided."""
    decided = _get_decided(store, _key(run, "commits", job))
    return decided["commit"] if decided else None


def decide_commit(store: Store, run: str, job: str, commit: str) -> str:
    """Propose a commit; the one that the run uses, which another job may have decided first."""
    return str(decide(store, _key(run, "commits", job), {"commit": commit})["commit"])


def get_json(store: Store, key: str) -> dict[str, Any] | None:
    """The JSON object under a key; None if there is nothing. Raises StoreError if it is damaged."""
    try:
        return parse(store.get(key), key)
    except KeyAbsentError:
        return None


def _get_decided(store: Store, key: str) -> dict[str, Any] | None:
    """The decision under `key`, which stays as it is; None if there is none yet."""
    decision = get_json(store, key)
    if decision is None or store.supports_conditional_writes():
        return decision
    time.sleep(SETTLED)
    return get_json(store, key)


def decide(store: Store, key: str, proposal: dict[str, Any]) -> dict[str, Any]:
    """`proposal`, or what another job has put under `key` before.

    Raises StoreError if the store is too slow for jobs to agree without conditional writes.
    """
    if store.supports_conditional_writes():
        is_first = store.put_if_absent(key, _encode(proposal))
        return proposal if is_first else get_json(store, key) or proposal
    start = time.monotonic()
    if get_json(store, key) is None:
        store.put(key, _encode(proposal))
        if time.monotonic() - start > SETTLED:
            raise StoreError(
                f"{key}: took over {SETTLED:.0f} s to store, and jobs may have decided differently; "
                "start the run again"
            )
    return _get_decided(store, key) or proposal


def job_folder(run: str, kind: str, job: str) -> str:
    """The prefix of what a job leaves of one kind, without the last `/`. Raises InputError."""
    for part in (run, job):
        if not _NAME.fullmatch(part):
            raise InputError(f"not the name of a run or a job: {part!r}")
    return f"{RUNS}/{run}/{kind}/{job}"


def _key(run: str, kind: str, job: str) -> str:
    return f"{job_folder(run, kind, job)}.json"


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode()
