"""Writing a version's files to a folder; they are verified, and the folder appears whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from job.datasets import layout
from job.datasets.manifest import File, Manifest
from job.datasets.reference import DatasetRef
from job.errors import InputError, StoreError
from job.files import locked, sync_folder
from job.storage.digest import Digest
from job.storage.parallel import Progress, map_files
from job.storage.paths import find_collisions
from job.storage.store import KeyAbsentError, Store

_CHUNK = 1 << 20


def fetch_version(
    store: Store,
    ref: DatasetRef,
    manifest: Manifest,
    target: Path,
    progress: Progress,
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Write a version's files to `target`, which must not exist or be an empty folder.

    The files are written to a folder beside it, which is renamed when every byte is verified and on the
    disk; `finish` may change what is in it before. If an interrupted fetch of the same version has left that
    folder, this one continues there. Raises InputError if `target` is not empty, StoreError if the store's
    bytes are not the committed ones.
    """
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise InputError(f"{target}: exists already; name a new folder")
    partial = target.parent / f".{target.name}.{manifest.version}.partial"
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with locked(partial, blocking=False):
            _repair(partial, manifest)
            prefix = layout.data_prefix(ref, manifest.version)
            for folder in {file.path.rpartition("/")[0] for file in manifest.files}:
                (partial / folder).mkdir(parents=True, exist_ok=True)
            map_files(lambda file: _fetch_file(store, prefix, file, partial, progress), manifest.files)
            _finish(partial, manifest)
            if finish:
                finish(partial)
            _sync_folders(partial)
            partial.rename(target)
            sync_folder(target.parent)
    except KeyAbsentError as error:
        raise StoreError(f"{error}; was {ref.name}:{manifest.version} deleted while it was read?") from error
    except BlockingIOError as error:
        raise InputError(f"{target}: another fetch is writing there") from error
    except OSError as error:
        path = target if error.filename in (None, str(partial)) else error.filename
        raise StoreError(f"{path}: {error.strerror}") from error


def stream_file(store: Store, ref: DatasetRef, version: str, file: File) -> Iterator[bytes]:
    """The bytes of one file of a version, in chunks.

    Raises StoreError, after the last one, if they are not the bytes that were committed.
    """
    key = layout.data_prefix(ref, version) + file.path
    size = 0
    with Digest() as digest:
        try:
            for chunk in store.read(key):
                digest.update(chunk)
                size += len(chunk)
                yield bytes(chunk)  # what a store reads may have none of their methods
        except KeyAbsentError as error:
            raise StoreError(f"{error}; was {ref.name}:{version} deleted while it was read?") from error
        if size != file.size or digest.hexdigest() != file.sha256:
            raise _damaged(key)


def _fetch_file(store: Store, prefix: str, file: File, partial: Path, progress: Progress) -> None:
    path = partial / file.path
    size = 0
    with path.open("a+b") as local, Digest() as digest:
        local.seek(0)
        while chunk := local.read(_CHUNK):  # left by an interrupted fetch
            digest.update(chunk)
            size += len(chunk)
        progress(size)
        for chunk in store.read(prefix + file.path, size) if size < file.size else ():
            digest.update(chunk)
            local.write(chunk)
            size += len(chunk)
            progress(len(chunk))
        os.fchmod(local.fileno(), file.mode)
        local.flush()
        os.fsync(local.fileno())
        intact = size == file.size and digest.hexdigest() == file.sha256
    if not intact:
        path.unlink()
        raise _damaged(prefix + file.path)


def _damaged(key: str) -> StoreError:
    return StoreError(f"{key}: damaged in the store: not the bytes that were committed")


def _repair(partial: Path, manifest: Manifest) -> None:
    """Make what an interrupted fetch left usable: files writable, no link to write through."""
    files = {file.path for file in manifest.files}
    for folder, folder_names, file_names in os.walk(partial):
        for name in [*folder_names, *file_names]:
            path = Path(folder, name)
            if path.is_symlink() or (path.is_file() and str(path.relative_to(partial)) not in files):
                path.unlink()
            elif path.is_file():
                path.chmod(0o600)


def _sync_folders(partial: Path) -> None:
    for folder, _, _ in os.walk(partial):
        sync_folder(Path(folder))


def _finish(partial: Path, manifest: Manifest) -> None:
    """Add empty folders and links, and check that no two files are one on this file system."""
    for folder in manifest.folders:
        (partial / folder.path).mkdir(parents=True, exist_ok=True)
        (partial / folder.path).chmod(folder.mode)
    for link in manifest.links:
        path = partial / link.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(link.target)
    base = os.path.realpath(partial)
    for link in manifest.links:
        if not Path(os.path.realpath(partial / link.path)).is_relative_to(base):
            shutil.rmtree(partial)
            raise StoreError(f"{link.path!r}: a link that leads out of the version; nothing was written")
    for first, *others in find_collisions(file.path for file in manifest.files):
        if any((partial / first).samefile(partial / other) for other in others):
            raise StoreError(f"{first!r} and {others[0]!r} are one file on this file system; fetch elsewhere")
