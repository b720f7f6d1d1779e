"""Everything that changes a dataset but a commit: each is one entry of its log."""

from job.datasets import layout
from job.datasets.history import Entry, Kind, State
from job.datasets.log import Log
from job.datasets.reference import LATEST, DatasetRef
from job.errors import InputError, UnknownReferenceError
from job.storage.store import Store


def create(store: Store, ref: DatasetRef, message: str = "") -> None:
    """Make an empty dataset. Raises InputError where it exists."""

    def decide(state: State) -> Entry:
        if state.exists:
            raise InputError(f"{_name(ref)}: is there already")
        return _entry(store, Kind.CREATE, message=message)

    Log(store, ref).append(decide)


def tag(store: Store, ref: DatasetRef, version: str, name: str) -> None:
    """Give a version a tag, or move the tag there.

    Raises InputError for a name that can't be a tag, UnknownReferenceError where the version was deleted.
    """
    if DatasetRef.parse(f"x:{name}").version == LATEST:
        raise InputError(f"{name!r}: is always the newest version; use another tag")

    def decide(state: State) -> Entry:
        if version not in state.live:
            raise UnknownReferenceError(f"{_name(ref)}:{version}: this version was deleted")
        if name in state.live or name in state.gone:
            raise InputError(f"{name!r}: is a version's id; use another tag")
        return _entry(store, Kind.TAG, version=version, tag=name)

    Log(store, ref).append(decide)


def untag(store: Store, ref: DatasetRef) -> None:
    """Take the tag `ref.version` away. Raises UnknownReferenceError where there is no such tag."""

    def decide(state: State) -> Entry:
        if ref.version not in state.tags:
            known = ", ".join(sorted(state.tags)) or "none"
            raise UnknownReferenceError(f"{ref}: no such tag; there are: {known}")
        return _entry(store, Kind.UNTAG, tag=ref.version)

    Log(store, ref).append(decide)


def delete(store: Store, ref: DatasetRef, version: str) -> None:
    """Take a version away; garbage collection frees its space later.

    Raises InputError where a tag holds it, UnknownReferenceError where it is gone already.
    """

    def decide(state: State) -> Entry:
        if version not in state.live:
            raise UnknownReferenceError(f"{_name(ref)}:{version}: was deleted already")
        if tags := sorted(name for name, tagged in state.tags.items() if tagged == version):
            raise InputError(
                f"{_name(ref)}:{version}: has the tag {tags[0]!r}; "
                f"textgen dataset untag {_name(ref)}:{tags[0]} first"
            )
        return _entry(store, Kind.DELETE, version=version)

    Log(store, ref).append(decide)


def drop(store: Store, ref: DatasetRef, *, versions: bool) -> None:
    """Take the whole dataset away; with `versions`, those that it has, too.

    Raises InputError where it has some otherwise, UnknownReferenceError where there is no such dataset.
    """

    def decide(state: State) -> Entry:
        if not state.exists:
            raise UnknownReferenceError(f"no dataset {_name(ref)!r} in {store.url}")
        if state.live and not versions:
            raise InputError(f"{_name(ref)}: has {len(state.live)} versions; --all deletes them with it")
        return _entry(store, Kind.DROP)

    Log(store, ref).append(decide)


def _entry(
    store: Store, kind: Kind, *, version: str | None = None, tag: str | None = None, message: str = ""
) -> Entry:
    return Entry(layout.new_version(), kind, store.now(), version=version, tag=tag, message=message)


def _name(ref: DatasetRef) -> str:
    return str(ref).rpartition(":")[0]
