"""Committing a version: its files, its manifest, and last the log entry that makes it visible."""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from job.datasets import layout
from job.datasets.history import Entry, Kind, Producer, State, replay
from job.datasets.log import Log
from job.datasets.manifest import File, Folder, Manifest
from job.datasets.reference import DatasetRef
from job.datasets.tree import LocalFile, Tree, scan
from job.datasets.upload import upload_file
from job.datasets.version import Version
from job.errors import CommitError, NothingToCommitError
from job.storage.parallel import Progress, map_files, parallel_map
from job.storage.paths import find_collisions, find_overlapping
from job.storage.store import KeyAbsentError, Store
from job.text import one_line
from job.untrusted_files import UntrustedPath
from job.untrusted_json import parse_record

RUN_RECORD = "run.json"  # what `textgen generate` writes beside its texts
_LARGEST_RECORD = 1 << 20  # bytes

_MODE = 0o644  # of a file that no disk had

E = TypeVar("E", File, Folder)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a new version, at `path` there, whose bytes are in the store already, under `key`."""

    path: str
    key: str
    size: int
    sha256: str


def commit_version(
    store: Store,
    ref: DatasetRef,
    sources: Sequence[tuple[UntrustedPath, str]],
    *,
    lineage: Mapping[str, object],
    producer: Producer | None,
    message: str,
    base: Manifest | None,
    modes: Mapping[str, int],
    progress: Progress,
) -> Version:
    """Store local files and folders, each at its path in the version, as a new version of `ref`'s dataset.

    The version also holds all other files of the version `base`. A dataset that does not exist is created. If
    `producer` has committed a version before, that version is returned. `modes`, by path, take permissions
    from the files and folders. Raises NothingToCommitError if there is no file, CommitError if one changes
    meanwhile, or is something that a version can't hold; nothing is visible then.
    """
    entries = Log(store, ref).read()
    state = replay(entries)
    if earlier := state.find_commit(producer):
        return Version.from_entry(ref, earlier, state.tags)
    tree = scan(sources)
    if not tree.files:
        names = ", ".join(source.name for source, _ in sources)
        raise NothingToCommitError(f"{names}: no file to commit to {ref.dataset!r}; write a file there first")
    inherited = _inherit(base, tree)
    _check_paths(tree.paths() + inherited.paths())

    version = layout.new_id()
    prefix = layout.data_prefix(ref, version)
    stored = _find_stored(store, ref, state.latest, base)
    files = map_files(lambda file: upload_file(store, prefix + file.path, file, stored, progress), tree.files)
    if base:
        _copy_inherited(store, ref, base, inherited.files, prefix)
    if scan(sources) != tree:
        raise CommitError(
            f"{sources[0][0].name}: changed while it was stored; commit when nothing writes to it"
        )
    manifest = Manifest(
        f"{ref.namespace}/{ref.name}",
        version,
        state.latest,
        message,
        producer,
        lineage,
        tuple(sorted([*inherited.files, *_restrict(files, modes)], key=lambda file: file.path)),
        (*inherited.links, *tree.links),
        (*inherited.folders, *_restrict(tree.folders, modes)),
    )
    _check_stored(store, ref, manifest, entries)
    return _publish(store, ref, manifest, entries)


def commit_stored_files(
    store: Store,
    ref: DatasetRef,
    stored: Sequence[StoredFile],
    small: Mapping[str, bytes],
    *,
    lineage: Mapping[str, object],
    producer: Producer,
) -> Version:
    """Make a new version of files that are in the store already, and of `small` ones: bytes by their paths.

    The first are copied inside the store, and not read: their sha256 is what the caller knows. If `producer`
    has committed a version before, that version is returned. Raises KeyAbsentError for a file that is not
    there, CommitError as `commit_version` does; nothing is visible then.
    """
    entries = Log(store, ref).read()
    state = replay(entries)
    if earlier := state.find_commit(producer):
        return Version.from_entry(ref, earlier, state.tags)
    files = [File(file.path, file.size, file.sha256, _MODE) for file in stored]
    files += [File(path, len(body), hashlib.sha256(body).hexdigest(), _MODE) for path, body in small.items()]
    _check_paths([file.path for file in files])
    version = layout.new_id()
    prefix = layout.data_prefix(ref, version)
    map_files(lambda file: store.copy(file.key, prefix + file.path), stored)
    for path, body in small.items():
        store.put(prefix + path, body)
    manifest = Manifest(
        f"{ref.namespace}/{ref.name}",
        version,
        state.latest,
        "",
        producer,
        lineage,
        tuple(sorted(files, key=lambda file: file.path)),
        (),
        (),
    )
    _check_stored(store, ref, manifest, entries)
    return _publish(store, ref, manifest, entries)


def read_generation(file: UntrustedPath) -> dict[str, object]:
    """What `textgen generate` wrote in its run.json: settings, model, revision and software versions.

    Empty if there is no such file; a warning if it is one that can't be read.
    """
    try:
        record = parse_record(file.read(_LARGEST_RECORD))
    except FileNotFoundError:
        return {}
    except (CommitError, ValueError) as error:
        reason = error if isinstance(error, CommitError) else f"{one_line(file.name)}: {error}"
        _log.warning("%s; the lineage has no settings of a generation", reason)
        return {}
    return select_generation(record)


def select_generation(record: Any) -> dict[str, object]:
    """What a run.json says of the generation; empty if it is another program's."""
    try:
        return {**record["settings"], **record["run"]}
    except (KeyError, TypeError):
        return {}


def _restrict(entries: Iterable[E], modes: Mapping[str, int]) -> Iterator[E]:
    return (replace(entry, mode=entry.mode & modes.get(entry.path, entry.mode)) for entry in entries)


def _inherit(base: Manifest | None, tree: Tree[LocalFile]) -> Tree[File]:
    """What of `base` the new files do not replace."""
    if base is None:
        return Tree()
    new = set(tree.paths())
    parents = {path[:at] for path in new for at, character in enumerate(path) if character == "/"}
    return Tree(
        [file for file in base.files if file.path not in new],
        [link for link in base.links if link.path not in new],
        [folder for folder in base.folders if folder.path not in new | parents],
    )


def _find_stored(
    store: Store, ref: DatasetRef, latest: str | None, base: Manifest | None
) -> dict[tuple[int, str], str]:
    """The keys of the latest version's files by size and sha256; empty if its manifest is not there."""
    if base and base.version == latest:
        manifest = base
    elif latest is None:
        return {}
    else:
        key = layout.manifest_key(ref, latest)
        try:
            manifest = Manifest.decode(store.get(key), key)
        except KeyAbsentError:
            return {}
    prefix = layout.data_prefix(ref, manifest.version)
    return {(file.size, file.sha256): prefix + file.path for file in manifest.files}


def _check_paths(paths: Sequence[str]) -> None:
    for path in find_overlapping(paths):
        raise CommitError(
            f"{path!r} can't be stored: it would be both a file and a folder, or in the version twice"
        )
    for group in find_collisions(paths):
        _log.warning("%s: one file where case does not count (macOS, Windows)", ", ".join(group))


def _copy_inherited(
    store: Store, ref: DatasetRef, base: Manifest, files: Sequence[File], prefix: str
) -> None:
    """Copy files of the version `base`. Raises CommitError if it is removed meanwhile."""
    source = layout.data_prefix(ref, base.version)
    try:
        parallel_map(lambda file: store.copy(source + file.path, prefix + file.path), files)
    except KeyAbsentError as error:
        raise CommitError(f"{error}; was {ref.name}:{base.version} deleted meanwhile? try again") from error


def _check_stored(store: Store, ref: DatasetRef, manifest: Manifest, known: Sequence[Entry]) -> None:
    """Compare what the store lists with what was sent; `known` are the log's first entries."""
    prefix = layout.data_prefix(ref, manifest.version)
    stored = {item.key.removeprefix(prefix): item.size for item in store.list_objects(prefix)}
    for file in manifest.files:
        if stored.pop(file.path, None) != file.size:
            if manifest.version in replay(Log(store, ref).read(known)).tombstones:
                raise _collected(ref)
            raise CommitError(f"{file.path!r}: the store does not list it with {file.size} bytes")
    if stored:
        raise CommitError(f"{prefix}: the store also lists {min(stored)!r}, which was not sent")


def _collected(ref: DatasetRef) -> CommitError:
    return CommitError(
        f"{ref.name}: garbage collection gave this version up before it was committed; try again"
    )


def _publish(store: Store, ref: DatasetRef, manifest: Manifest, known: Sequence[Entry]) -> Version:
    """Make a version visible whose files are all stored; `known` are the log's entries that were read before.

    Raises CommitError if garbage collection has tombstoned the version meanwhile.
    """
    body = manifest.encode()
    store.put(layout.manifest_key(ref, manifest.version), body)

    def decide(state: State) -> Entry | None:
        if manifest.version in state.tombstones:
            raise _collected(ref)
        if manifest.version in state.live or state.find_commit(manifest.producer):
            return None
        return Entry(
            id=layout.new_id(),
            kind=Kind.COMMIT,
            at=store.now(),
            version=manifest.version,
            message=(manifest.message.splitlines() or [""])[0][:100],
            producer=manifest.producer,
            files=len(manifest.files),
            size=manifest.size,
            manifest=hashlib.sha256(body).hexdigest(),
        )

    state = Log(store, ref).append(decide, known)
    entry = state.live.get(manifest.version) or state.find_commit(manifest.producer)
    if not entry:
        raise CommitError(f"{ref.name}: another writer deleted this version as it was committed; try again")
    return Version.from_entry(ref, entry, state.tags)
