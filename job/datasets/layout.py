"""Where things lie in a store.

<namespace>/<name>/data/<version>/<path>             the files, plain names, nothing else
<namespace>/<name>/manifest/<version>.json           see manifest.py
<namespace>/<name>/log/<99999999999999 - n>.json     see log.py; the newest key sorts first
runs/<run>/resolved.json                             the versions that a run reads
triggers/<repository>/...                            which pushes have been run (argo.trigger.push_record)
.heads/<namespace>/<name>/<n>                        which log record may be the newest, see heads.py
.clock                                               when it was put is the store's time (job.storage.s3)
"""

import secrets
from collections.abc import Iterable

from job.datasets.reference import DatasetRef
from job.errors import InputError

RUNS = "runs"
TRIGGERS = "triggers"
OWN = (RUNS, TRIGGERS)  # no namespaces of datasets; nor is what begins with a dot
HEADS = ".heads"

HIGHEST = 10**14 - 1  # no log record has this number
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: nothing to misread


def new_version() -> str:
    """A random id of 60 bits; one is never given twice."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def namespaces(folders: Iterable[str]) -> list[str]:
    """Those of the folders at the top of a store that hold datasets."""
    return [name for name in folders if name not in OWN and not name.startswith(".")]


def folder(ref: DatasetRef) -> str:
    """The prefix of a dataset. Raises InputError for a namespace that is taken."""
    if ref.namespace in OWN:
        raise InputError(f"{ref}: the namespace {ref.namespace!r} is the store's own; use another")
    return f"{ref.namespace}/{ref.name}/"


def data(ref: DatasetRef, version: str) -> str:
    """The prefix of a version's files."""
    return f"{folder(ref)}data/{version}/"


def manifest(ref: DatasetRef, version: str) -> str:
    """The key of a version's manifest."""
    return f"{folder(ref)}manifest/{version}.json"


def log(ref: DatasetRef) -> str:
    """The prefix of a dataset's log."""
    return f"{folder(ref)}log/"


def record(ref: DatasetRef, sequence: int) -> str:
    """The key of the log record with this number, which counts from 1."""
    return f"{log(ref)}{HIGHEST - sequence:014d}.json"


def head(ref: DatasetRef, sequence: int) -> str:
    """The key that says that there may be a log record with this number, and none after it."""
    return f"{HEADS}/{folder(ref)}{sequence:014d}"


def timed_record(ref: DatasetRef, milliseconds: int, entry: str) -> str:
    """The key of a log record that is ordered by the store's clock, since 1970, not by its number.

    Such keys sort before (are newer than) all numbered ones.
    """
    return f"{log(ref)}{HIGHEST - milliseconds:014d}-{entry}.json"


def milliseconds(key: str) -> int | None:
    """When the log record under a key was written; None where it has a number."""
    inverted, dash, _ = key.rpartition("/")[2].partition("-")
    return HIGHEST - int(inverted) if dash else None


def sequence(key: str) -> int:
    """The number of the log record under a key."""
    return HIGHEST - int(key.rpartition("/")[2].removesuffix(".json"))
