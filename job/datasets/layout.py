"""The keys of a store.

<namespace>/<name>/data/<version>/<path>             the files, plain names, nothing else
<namespace>/<name>/manifest/<version>.json           see manifest.py
<namespace>/<name>/log/<99999999999999 - n>.json     see log.py; the newest key sorts first
runs/<run>/resolved.json                             the versions that a run reads
triggers/<repository>/...                            which pushes have been run (argo.trigger.push_record)
.heads/<namespace>/<name>/<n>                        which log record may be the newest, see latest_index.py
.clock                                               when it was put is the store's time (job.storage.s3)
"""

import secrets
from collections.abc import Iterable

from job.datasets.reference import RESERVED, DatasetRef

HINTS = ".heads"

HIGHEST = 10**14 - 1  # no log record has this number
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u, which look like others


def new_id() -> str:
    """A random id of 60 bits, for a version or a log entry."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def select_namespaces(folders: Iterable[str]) -> list[str]:
    """Those of the folders at the top of a store that hold datasets."""
    return [name for name in folders if name not in RESERVED and not name.startswith(".")]


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


def parse_milliseconds(key: str) -> int | None:
    """When the log record under a key was written; None if the key has a number."""
    inverted, dash, _ = key.rpartition("/")[2].partition("-")
    return HIGHEST - int(inverted) if dash else None


def parse_number(key: str) -> int:
    """The number of the log record under a key."""
    return HIGHEST - int(key.rpartition("/")[2].removesuffix(".json"))


def hint_key(ref: DatasetRef, number: int) -> str:
    """The key of the hint that the log record with this number may be the newest."""
    return f"{HINTS}/{dataset_prefix(ref)}{number:014d}"
