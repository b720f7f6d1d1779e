"""Making a version of a folder: its files, its manifest, and last the log record that shows it."""

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from job.datasets import layout, paths, tree
from job.datasets.history import Entry, Kind, State, fold
from job.datasets.log import Log
from job.datasets.manifest import File, Folder, Link, Manifest
from job.datasets.origin import Origin
from job.datasets.parallel import each
from job.datasets.progress import Progress, silent
from job.datasets.reference import DatasetRef
from job.datasets.store import Store
from job.datasets.version import Version
from job.errors import CommitError

CHUNK = 8 << 20  # bytes that are read, hashed and sent at a time

_log = logging.getLogger(__name__)


def commit(
    store: Store,
    ref: DatasetRef,
    source: Path,
    *,
    lineage: Mapping[str, object],
    origin: Origin | None = None,
    message: str = "",
    progress: Progress = silent,
) -> Version:
    """Store the folder `source` as a new version of `ref`'s dataset, which is made if it is not there.

    `progress` is told the bytes of each piece sent. Raises CommitError where the folder holds no
    file, changes meanwhile, or holds what a version can't; nothing is visible then.
    """
    state = fold(Log(store, ref).read())
    if origin and (first := state.made_by(origin)):
        return Version.of(ref, first, state.tags)
    found = tree.scan(source)
    if not found.files:
        raise CommitError(f"{source}: no file to commit to {ref.name!r}; write the output there")
    for group in paths.colliding(f.path for f in found.files):
        _log.warning("%s: one file where case does not count (macOS, Windows)", ", ".join(group))

    version = layout.new_version()
    files = each(lambda file: _send(store, ref, version, source, file, progress), found.files)
    _check(store, layout.data(ref, version), files)
    if tree.scan(source) != found:
        raise CommitError(f"{source}: changed while it was stored; commit when nothing writes to it")
    manifest = Manifest(
        f"{ref.namespace}/{ref.name}",
        version,
        state.latest,
        message,
        origin,
        lineage,
        tuple(files),
        tuple(Link(path, target) for path, target in found.links),
        tuple(Folder(path, mode) for path, mode in found.folders),
    )
    return publish(store, ref, manifest)


def publish(store: Store, ref: DatasetRef, manifest: Manifest) -> Version:
    """Make the version visible, whose files are all stored.

    Raises CommitError where it took so long that garbage collection has given it up.
    """
    body = manifest.encoded()
    store.put(layout.manifest(ref, manifest.version), body)

    def decide(state: State) -> Entry | None:
        if manifest.version in state.gone:
            raise CommitError(
                f"{ref.name}: given up by garbage collection before it was committed; try again"
            )
        if manifest.origin and state.made_by(manifest.origin):
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

    state = Log(store, ref).append(decide)
    entry = state.live.get(manifest.version) or (manifest.origin and state.made_by(manifest.origin))
    if not entry:
        raise CommitError(f"{ref.name}: taken away by another writer while it was committed; try again")
    return Version.of(ref, entry, state.tags)


def _send(
    store: Store,
    ref: DatasetRef,
    version: str,
    source: Path,
    file: tree.LocalFile,
    progress: Progress,
) -> File:
    """Store one file; what is hashed are the bytes that were sent."""
    digest = hashlib.sha256()
    size = 0

    def chunks() -> Iterator[bytes]:
        nonlocal size
        try:
            with (source / file.path).open("rb", buffering=0) as opened:
                if tree.local_file(file.path, os.fstat(opened.fileno())) != file:
                    raise CommitError(f"{file.path!r}: changed while it was stored")
                while chunk := opened.read(CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    yield chunk
                    progress(len(chunk))
        except OSError as error:
            raise CommitError(f"{file.path!r}: {error.strerror} while it was stored") from error

    store.upload(layout.data(ref, version) + file.path, chunks(), file.size)
    if size != file.size:
        raise CommitError(f"{file.path!r}: changed while it was stored, from {file.size} to {size} bytes")
    return File(file.path, size, digest.hexdigest(), file.mode)


def _check(store: Store, prefix: str, files: list[File]) -> None:
    """Compare what the store lists with what was sent."""
    stored = {found.key.removeprefix(prefix): found.size for found in store.listing(prefix)}
    for file in files:
        if stored.pop(file.path, None) != file.size:
            raise CommitError(f"{file.path!r}: the store does not list it with {file.size} bytes")
    if stored:
        raise CommitError(f"{prefix}: the store lists {min(stored)!r} there too, which was not sent")
