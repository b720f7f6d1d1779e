"""What the jobs of one run leave for one another in the store.

    runs/<run>/resolved.json             the dataset versions that the run reads
    runs/<run>/commits/<job>.json        the commit that a checkout's ref stood for
    runs/<run>/jobs/<job>.json           a finished job: its strings, volumes and dataset versions
    runs/<run>/volumes/<job>/<random>/…  the volumes' files

The first two are put if absent: whoever comes first decides for the run. A job's record is put last,
when all it names is stored, so a job that has one is done, however its pod ended.

If the store does not support conditional writes, time decides, as in Fischer's mutual exclusion: who finds
nothing puts, waits, and takes what is there then, and whoever finds something waits and reads it again.
Nobody who found nothing puts later than within that wait, or says that the run can't go on.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from job.datasets import DatasetRef, Datasets
from job.datasets.reference import RUNS
from job.errors import InputError, StoreError
from job.storage.store import KeyAbsentError, Store

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


def read(store: Store, run: str, job: str) -> JobResults | None:
    """The job's record; None where it has not finished."""
    found = _get(store, _key(run, "jobs", job))
    if found is None:
        return None
    volumes = {name: Volume(**volume) for name, volume in found["volumes"].items()}
    return JobResults(found["strings"], volumes, found["datasets"])


def write(store: Store, run: str, job: str, record: JobResults) -> None:
    """Say that the job is done."""
    store.put(_key(run, "jobs", job), _encoded(asdict(record)))


def resolved(datasets: Datasets, run: str, refs: Iterable[str]) -> Mapping[str, str]:
    """The version of each of `refs`, the same for every job of the run.

    Raises UnknownReferenceError, naming the nearest, for one that is not there.
    """

    key = f"{RUNS}/{run}/resolved.json"
    found = _decided(datasets.store, key)
    if found is None:
        made = {ref: str(datasets.resolve(DatasetRef.parse(ref))) for ref in refs}
        found = _first(datasets.store, key, made)
    return found


def commit(store: Store, run: str, job: str) -> str | None:
    """The commit that the run uses for the checkout of `job`; None where that is not decided."""
    found = _decided(store, _key(run, "commits", job))
    return found["commit"] if found else None


def decide(store: Store, run: str, job: str, commit: str) -> str:
    """Propose a commit; the one that the run uses, which another job may have decided first."""
    return _first(store, _key(run, "commits", job), {"commit": commit})["commit"]


def _get(store: Store, key: str) -> dict[str, Any] | None:
    try:
        found = json.loads(store.get(key))
    except KeyAbsentError:
        return None
    except ValueError as error:
        raise StoreError(f"{key}: damaged in the store: not JSON") from error
    if not isinstance(found, dict):
        raise StoreError(f"{key}: damaged in the store: not a JSON object")
    return found


def _decided(store: Store, key: str) -> dict[str, Any] | None:
    """What is under `key` and stays there."""
    found = _get(store, key)
    if found is None or store.supports_conditional_writes():
        return found
    time.sleep(SETTLED)
    return _get(store, key)


def _first(store: Store, key: str, made: dict[str, str]) -> dict[str, str]:
    """`made`, or what somebody else has put there before.

    Raises StoreError if the store is too slow for jobs to agree without conditional writes.
    """
    if store.supports_conditional_writes():
        return made if store.put_if_absent(key, _encoded(made)) else _get(store, key) or made
    looked = time.monotonic()
    if _get(store, key) is None:
        store.put(key, _encoded(made))
        if time.monotonic() - looked > SETTLED:
            raise StoreError(
                f"{key}: took over {SETTLED:.0f} s to store, and jobs may have decided differently; "
                "start the run again"
            )
    return _decided(store, key) or made


def _key(run: str, kind: str, job: str) -> str:
    for part in (run, job):
        if not part.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"not the name of a run or a job: {part!r}")
    return f"{RUNS}/{run}/{kind}/{job}.json"


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode()
