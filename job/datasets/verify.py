"""Reading all files of a version again, to check that they are what was committed."""

from collections.abc import Iterator

from job.datasets import layout
from job.datasets.manifest import File, Manifest
from job.datasets.reference import DatasetRef
from job.storage.digest import Digest
from job.storage.parallel import Progress, map_files
from job.storage.store import KeyAbsentError, Store


def find_damage(store: Store, ref: DatasetRef, manifest: Manifest, progress: Progress) -> Iterator[str]:
    """Compare every byte of a version with its manifest; yields one line for each difference."""
    prefix = layout.data_prefix(ref, manifest.version)
    problems = map_files(lambda file: _check(store, prefix, file, progress), manifest.files)
    yield from filter(None, problems)
    paths = {file.path for file in manifest.files}
    for item in store.list_objects(prefix):
        if item.key.removeprefix(prefix) not in paths:
            yield f"{item.key}: not in the manifest"


def _check(store: Store, prefix: str, file: File, progress: Progress) -> str | None:
    size = 0
    try:
        with Digest() as digest:
            for chunk in store.read(prefix + file.path):
                digest.update(chunk)
                size += len(chunk)
                progress(len(chunk))
            sha256 = digest.hexdigest()
    except KeyAbsentError:
        return f"{prefix}{file.path}: missing"
    if size != file.size:
        return f"{prefix}{file.path}: has {size} bytes, not the {file.size} that were committed"
    if sha256 != file.sha256:
        return f"{prefix}{file.path}: not the bytes that were committed"
    return None
