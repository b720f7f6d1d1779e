"""What the store knows of pushes. It outlives the runs.

    triggers/<repository>/<commit>/<file>.json   the run of a push, or why it has none; never changed
    triggers/<repository>/heads.json             the newest commit of each branch that has been polled

The first is put if absent, and decides. The second only saves work: without it, commits are looked at again,
and their records are found.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from argo.trigger.push import Push, repository_prefix
from job.errors import StoreError
from job.storage.json import decode, encode
from job.storage.store import KeyAbsentError, Store


@dataclass(frozen=True, slots=True)
class PushRecord:
    """The name and uid of a push's Workflow; or `error`, why its file can't run."""

    run: str
    uid: str = ""
    error: str = ""


def read_push_record(store: Store, push: Push) -> PushRecord | None:
    """The push's record, or None. Raises StoreError."""
    try:
        fields = decode(store.get(push.key), push.key)
    except KeyAbsentError:
        return None
    try:
        return PushRecord(**{name: str(fields[name]) for name in ("run", "uid", "error")})
    except KeyError as error:
        raise StoreError(f"{push.key}: damaged in the store: no {error}") from error


def put_push_record(store: Store, push: Push, record: PushRecord) -> PushRecord:
    """Put the push's record if there is none. Returns the one that the store has then.

    On a store without conditional writes two pollers may both put theirs. They put the same, because the API
    server has one Workflow of a name. Raises StoreError.
    """
    body = encode({"format": 1, **asdict(push), **asdict(record)})
    if not store.supports_conditional_writes():
        existing = read_push_record(store, push)
        if existing is None:
            store.put(push.key, body)
        return existing or record
    return record if store.put_if_absent(push.key, body) else read_push_record(store, push) or record


def read_branch_commits(store: Store, url: str) -> Mapping[str, str]:
    """The newest commit of each branch that has been polled."""
    key = _branch_commits_key(url)
    try:
        return dict(decode(store.get(key), key)["branches"])
    except KeyAbsentError:
        return {}
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{key}: damaged in the store: {error!r}; delete it") from error


def write_branch_commits(store: Store, url: str, branches: Mapping[str, str]) -> None:
    """Replace what `read_branch_commits` returns."""
    store.put(_branch_commits_key(url), encode({"format": 1, "url": url, "branches": dict(branches)}))


def _branch_commits_key(url: str) -> str:
    return f"{repository_prefix(url)}heads.json"
