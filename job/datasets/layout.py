"""Where things lie in a store.

<namespace>/<name>/data/<version>/<path>             the files, plain names, nothing else
<namespace>/<name>/manifest/<version>.json           see manifest.py
<namespace>/<name>/log/<99999999999999 - n>.json     see log.py; the newest key sorts first
runs/<run>/resolved.json                             the versions that a run reads
triggers/<repository>/...                            which pushes have been run (argo.trigger.record)
"""

import secrets

from job.datasets.reference import DatasetRef
from job.errors import InputError

RUNS = "runs"
TRIGGERS = "triggers"
OWN = (RUNS, TRIGGERS)  # no namespaces of datasets

_HIGHEST = 10**14 - 1
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: nothing to misread


def new_version() -> str:
    """A random id of 60 bits; one is never given twice."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


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
    return f"{log(ref)}{_HIGHEST - sequence:014d}.json"


def timed_record(ref: DatasetRef, milliseconds: int, entry: str) -> str:
    """The key of a log record that is ordered by the store's clock, since 1970, not by its number.

    Such keys sort before (are newer than) all numbered ones.
    """
    return f"{log(ref)}{_HIGHEST - milliseconds:014d}-{entry}.json"


def milliseconds(key: str) -> int | None:
    """When the log record under a key was written; None where it has a number."""
    inverted, dash, _ = key.rpartition("/")[2].partition("-")
    return _HIGHEST - int(inverted) if dash else None


def sequence(key: str) -> int:
    """The number of the log record under a key."""
    return _HIGHEST - int(key.rpartition("/")[2].removesuffix(".json"))
