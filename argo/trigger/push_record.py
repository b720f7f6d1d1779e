"""What the store knows of pushes; it outlives the runs.

    triggers/<repository>/<commit>/<file>.json   the run of a push, or why it has none; never changed
    triggers/<repository>/heads.json             the newest commit of each branch that is done with

The first is put if absent, and decides. The second only saves work: with an old one, or none, commits are
looked at again, and their records found.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from argo.trigger.push import Push, repository_prefix
from job.errors import StoreError
from job.storage.json import decode, encode
from job.storage.store import KeyAbsentError, Store


@dataclass(frozen=True, slots=True)
class PushRecord:
    """The Workflow of a push by its name and id, or in `error` why its file can't run."""

    run: str
    uid: str = ""
    error: str = ""


def read_push_record(store: Store, push: Push) -> PushRecord | None:
    """What was decided for the push; None where nothing was. Raises StoreError."""
    try:
        found = decode(store.get(push.key), push.key)
    except KeyAbsentError:
        return None
    try:
        return PushRecord(**{name: str(found[name]) for name in ("run", "uid", "error")})
    except KeyError as error:
        raise StoreError(f"{push.key}: damaged in the store: no {error}") from error


def put_push_record(store: Store, push: Push, record: PushRecord) -> PushRecord:
    """Propose a record; the one that holds, which another poller may have put first.

    Without conditional writes pollers still propose the same record, because the API server has one Workflow
    of a name. Raises StoreError.
    """
    body = encode({"format": 1, **asdict(push), **asdict(record)})
    if not store.supports_conditional_writes():
        held = read_push_record(store, push)
        if held is None:
            store.put(push.key, body)
        return held or record
    return record if store.put_if_absent(push.key, body) else read_push_record(store, push) or record


def read_branch_commits(store: Store, url: str) -> Mapping[str, str]:
    """The newest commit of each branch that needs no more looking at."""
    key = f"{repository_prefix(url)}heads.json"
    try:
        return dict(decode(store.get(key), key)["branches"])
    except KeyAbsentError:
        return {}
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{key}: damaged in the store: {error!r}; delete it") from error


def write_branch_commits(store: Store, url: str, branches: Mapping[str, str]) -> None:
    """Replace what `heads` says."""
    store.put(
        f"{repository_prefix(url)}heads.json", encode({"format": 1, "url": url, "branches": dict(branches)})
    )
