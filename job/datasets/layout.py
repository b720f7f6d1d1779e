"""The keys of a store.

<namespace>/<name>/data/<version>/<path>             the files, plain names, nothing else
<namespace>/<name>/manifest/<version>.json           see manifest.py
<namespace>/<name>/log/<99999999999999 - n>.json     see log.py; the newest key sorts first
runs/<run>/resolved.json                             the versions that a run reads
runs/<run>/shards/<job>/over.json                    the job's version is committed, from what is beside it
triggers/<repository>/...                            which pushes have been run (argo.trigger.push_record)
.heads/<namespace>/<name>/<n>                        which log record may be the newest, see latest_index.py
.clock                                               when it was put is the store's time (job.storage.s3)
.probe/<random>                                      what a probe has not deleted (job.storage.probe)

Other keys are somebody else's, a file browser's or a bucket console's: nobody reads or removes them.
"""

import re
import secrets

from job.datasets.reference import LATEST, RUNS, DatasetRef, is_name, is_namespace
from job.storage.store import Store

HINTS = ".heads"

HIGHEST = 10**14 - 1  # no log record has this number
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u, which look like others
_ID = re.compile(f"[{_ALPHABET}]{{12}}")
_RECORD = re.compile(rf"\d{{14}}(-{_ID.pattern})?\.json")


def new_id() -> str:
    """A random id of 60 bits, for a version or a log entry."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def is_id(name: str) -> bool:
    """Whether `new_id` may have made it."""
    return _ID.fullmatch(name) is not None


def list_refs(store: Store) -> list[DatasetRef]:
    """The datasets that a store has keys of, by name. Some may have no log yet, or none any more."""
    return [
        DatasetRef(name, LATEST, namespace)
        for namespace in filter(is_namespace, store.list_folders(""))
        for name in filter(is_name, store.list_folders(f"{namespace}/"))
    ]


def dataset_prefix(ref: DatasetRef) -> str:
    """The prefix of a dataset."""
    return f"{ref.namespace}/{ref.name}/"


def data_prefix(ref: DatasetRef, version: str) -> str:
    """The prefix of a version's files."""
    return f"{dataset_prefix(ref)}data/{version}/"


def manifest_key(ref: DatasetRef, version: str) -> str:
    """The key of a version's manifest."""
    return f"{dataset_prefix(ref)}manifest/{version}.json"


def log_prefix(ref: DatasetRef) -> str:
    """The prefix of a dataset's log."""
    return f"{dataset_prefix(ref)}log/"


def log_key(ref: DatasetRef, number: int) -> str:
    """The key of the log record with this number, which counts from 1."""
    return f"{log_prefix(ref)}{HIGHEST - number:014d}.json"


def timed_log_key(ref: DatasetRef, milliseconds: int, entry: str) -> str:
    """The key of a log record that is ordered by the store's clock (since 1970), not by its number.

    Such keys sort before (are newer than) all numbered ones.
    """
    return f"{log_prefix(ref)}{HIGHEST - milliseconds:014d}-{entry}.json"


def is_log_key(ref: DatasetRef, key: str) -> bool:
    """Whether a key is that of a record of the dataset's log."""
    return _RECORD.fullmatch(key.removeprefix(log_prefix(ref))) is not None


def parse_milliseconds(key: str) -> int | None:
    """When the log record under a key was written; None if the key has a number."""
    inverted, dash, _ = key.rpartition("/")[2].partition("-")
    return HIGHEST - int(inverted) if dash else None


def parse_number(key: str) -> int | None:
    """The number of the log record under a key; None if the key has a time."""
    inverted, dash, _ = key.rpartition("/")[2].partition("-")
    return None if dash else HIGHEST - int(inverted.removesuffix(".json"))


def shards_prefix(run: str, job: str = "") -> str:
    """The prefix of what the shards of a job leave, or those of all jobs of a run (job.pod.shards)."""
    return f"{RUNS}/{run}/shards/{job}/" if job else f"{RUNS}/{run}/shards/"


def over_key(run: str, job: str) -> str:
    """The key that says that what the shards of a job have stored is in a version."""
    return f"{shards_prefix(run, job)}over.json"


def hint_key(ref: DatasetRef, number: int) -> str:
    """The key of the hint that the log record with this number may be the newest."""
    return f"{HINTS}/{dataset_prefix(ref)}{number:014d}"
