"""Making a version: its files, its manifest, and last the log record that shows it."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from job.datasets import layout
from job.datasets.history import Entry, Kind, State, fold
from job.datasets.log import Log
from job.datasets.manifest import File, Manifest
from job.datasets.origin import Producer
from job.datasets.progress import Progress, silent
from job.datasets.reference import DatasetRef
from job.datasets.tree import LocalFile, Tree, scan
from job.datasets.upload import upload
from job.datasets.version import Version
from job.errors import CommitError
from job.storage.parallel import each, each_file
from job.storage.paths import colliding, overlapping
from job.storage.store import KeyAbsentError, Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be committed: local files, each with its path in the version, and what made them.

    `onto` is a version whose other files the new one holds too. `progress` is told the bytes of each
    piece that was sent.
    """

    sources: Sequence[tuple[Path, str]]
    lineage: Mapping[str, object] = field(default_factory=dict)
    origin: Producer | None = None
    message: str = ""
    onto: Manifest | None = None
    progress: Progress = silent


def commit(store: Store, ref: DatasetRef, draft: Draft) -> Version:
    """Store a new version of `ref`'s dataset, which is made if it is not there.

    Raises CommitError where there is no file, one changes meanwhile, or is what a version can't hold;
    nothing is visible then.
    """
    entries = Log(store, ref).read()
    state = fold(entries)
    if draft.origin and (first := state.made_by(draft.origin)):
        return Version.of(ref, first, state.tags)
    tree = scan(draft.sources)
    if not tree.files:
        names = ", ".join(str(source) for source, _ in draft.sources)
        raise CommitError(f"{names}: no file to commit to {ref.name!r}; write the output there")
    kept = _kept(draft.onto, tree)
    _check_paths(tree.paths() + kept.paths())

    version = layout.new_version()
    prefix = layout.data(ref, version)
    parent = draft.onto
    if parent is None or parent.version != state.latest:
        parent = _manifest(store, ref, state.latest)
    stored = (
        {(f.size, f.sha256): layout.data(ref, parent.version) + f.path for f in parent.files}
        if parent
        else {}
    )
    files = each_file(
        lambda file: upload(store, prefix + file.path, file, stored, draft.progress), tree.files
    )
    if draft.onto:
        source = layout.data(ref, draft.onto.version)
        each(lambda file: store.copy(source + file.path, prefix + file.path), kept.files)
    if scan(draft.sources) != tree:
        raise CommitError(
            f"{draft.sources[0][0]}: changed while it was stored; commit when nothing writes to it"
        )
    manifest = Manifest(
        f"{ref.namespace}/{ref.name}",
        version,
        state.latest,
        draft.message,
        draft.origin,
        draft.lineage,
        tuple(sorted([*kept.files, *files], key=lambda file: file.path)),
        (*kept.links, *tree.links),
        (*kept.folders, *tree.folders),
    )
    _check_listing(store, prefix, manifest.files)
    return _publish(store, ref, manifest, entries)


def _kept(onto: Manifest | None, tree: Tree[LocalFile]) -> Tree[File]:
    """What of `onto` the new files leave as it is."""
    if onto is None:
        return Tree()
    new = set(tree.paths())
    parents = {path[:at] for path in new for at, character in enumerate(path) if character == "/"}
    return Tree(
        [file for file in onto.files if file.path not in new],
        [link for link in onto.links if link.path not in new],
        [folder for folder in onto.folders if folder.path not in new | parents],
    )


def _manifest(store: Store, ref: DatasetRef, version: str | None) -> Manifest | None:
    """The manifest of a version, to save work; None where it can't be had."""
    if version is None:
        return None
    key = layout.manifest(ref, version)
    try:
        return Manifest.decoded(store.get(key), key)
    except KeyAbsentError:
        return None


def _check_paths(paths: Sequence[str]) -> None:
    for path in overlapping(paths):
        raise CommitError(f"{path!r} can't be kept: it would be both a file and a folder, or there twice")
    for group in colliding(paths):
        _log.warning("%s: one file where case does not count (macOS, Windows)", ", ".join(group))


def _check_listing(store: Store, prefix: str, files: Sequence[File]) -> None:
    """Compare what the store lists with what was sent."""
    stored = {found.key.removeprefix(prefix): found.size for found in store.listing(prefix)}
    for file in files:
        if stored.pop(file.path, None) != file.size:
            raise CommitError(f"{file.path!r}: the store does not list it with {file.size} bytes")
    if stored:
        raise CommitError(f"{prefix}: the store lists {min(stored)!r} there too, which was not sent")


def _publish(store: Store, ref: DatasetRef, manifest: Manifest, known: Sequence[Entry]) -> Version:
    """Make the version visible, whose files are all stored; `known` is what of the log was read before.

    Raises CommitError where it took so long that garbage collection has given it up.
    """
    body = manifest.encoded()
    store.put(layout.manifest(ref, manifest.version), body)

    def decide(state: State) -> Entry | None:
        if manifest.version in state.gone:
            raise CommitError(
                f"{ref.name}: garbage collection gave this version up before it was committed; try again"
            )
        if manifest.version in state.live or (manifest.origin and state.made_by(manifest.origin)):
            return None
        return Entry(
            id=layout.new_version(),
            kind=Kind.COMMIT,
            at=store.now(),
            version=manifest.version,
            message=(manifest.message.splitlines() or [""])[0][:100],
            origin=manifest.origin,
            files=len(manifest.files),
            size=manifest.size,
            manifest=hashlib.sha256(body).hexdigest(),
        )

    state = Log(store, ref).append(decide, known)
    entry = state.live.get(manifest.version) or (manifest.origin and state.made_by(manifest.origin))
    if not entry:
        raise CommitError(f"{ref.name}: another writer took this version away as it was committed; try again")
    return Version.of(ref, entry, state.tags)
