"""All changes of a dataset but a commit: each is one entry of its log."""

from job.datasets import layout
from job.datasets.history import Entry, Kind, State
from job.datasets.log import Log
from job.datasets.reference import LATEST, DatasetRef, is_name
from job.errors import InputError, UnknownReferenceError
from job.storage.store import Store
from job.text import counted, did_you_mean, quoted


def create(store: Store, ref: DatasetRef, message: str = "") -> None:
    """Create an empty dataset. Raises InputError if it exists."""

    def decide(state: State) -> Entry:
        if state.exists:
            raise InputError(f"{ref.dataset}: the dataset exists already")
        return _entry(store, Kind.CREATE, message=message)

    Log(store, ref).append(decide)


def tag(store: Store, ref: DatasetRef, version: str, name: str) -> None:
    """Give a version a tag, or move the tag to it.

    Raises InputError for a name that can't be a tag, UnknownReferenceError if the version was deleted.
    """
    if not is_name(name):
        raise InputError(f"{quoted(name)} can't be a tag; write letters, digits, '.', '_' and '-'")
    if name == LATEST:
        raise InputError(f"{name!r} always names the newest version; use another tag")

    def decide(state: State) -> Entry:
        if version not in state.live:
            raise UnknownReferenceError(f"{ref.dataset}:{version}: this version was deleted")
        if name in state.live or name in state.tombstones:
            raise InputError(f"{name!r} is the id of a version; use another tag")
        return _entry(store, Kind.TAG, version=version, tag=name)

    Log(store, ref).append(decide)


def untag(store: Store, ref: DatasetRef) -> None:
    """Remove the tag `ref.version`. Raises UnknownReferenceError if there is no such tag."""

    def decide(state: State) -> Entry:
        if ref.version not in state.tags:
            hint = did_you_mean(ref.version, sorted(state.tags)) or "the dataset has no tags"
            raise UnknownReferenceError(f"{ref}: no such tag; {hint}")
        return _entry(store, Kind.UNTAG, tag=ref.version)

    Log(store, ref).append(decide)


def delete(store: Store, ref: DatasetRef, version: str) -> None:
    """Delete a version; garbage collection frees its space later.

    Raises InputError if it has a tag, UnknownReferenceError if it this version was deleted already.
    """

    def decide(state: State) -> Entry:
        if version not in state.live:
            raise UnknownReferenceError(f"{ref.dataset}:{version}: this version was deleted already")
        if tags := sorted(name for name, tagged in state.tags.items() if tagged == version):
            raise InputError(
                f"{ref.dataset}:{version}: has the tag {tags[0]!r}; "
                f"run textgen dataset untag {ref.dataset}:{tags[0]} first"
            )
        return _entry(store, Kind.DELETE, version=version)

    Log(store, ref).append(decide)


def drop(store: Store, ref: DatasetRef, *, with_versions: bool) -> None:
    """Delete a dataset, with all its versions if `with_versions`.

    Raises InputError if it has versions otherwise, UnknownReferenceError if there is no such dataset.
    """

    def decide(state: State) -> Entry:
        if not state.exists:
            raise UnknownReferenceError(f"no dataset {ref.dataset!r} in {store.url}")
        if state.live and not with_versions:
            count = counted(len(state.live), "version")
            raise InputError(f"{ref.dataset}: has {count}; --all deletes all versions, too")
        return _entry(store, Kind.DROP)

    Log(store, ref).append(decide)


def _entry(
    store: Store, kind: Kind, *, version: str | None = None, tag: str | None = None, message: str = ""
) -> Entry:
    return Entry(layout.new_id(), kind, store.now(), version=version, tag=tag, message=message)
