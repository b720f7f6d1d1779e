"""Reading everything in a version again, to see that it is what was committed."""

from collections.abc import Iterator

from job.datasets import layout
from job.datasets.datasets import Datasets
from job.datasets.manifest import File
from job.datasets.progress import Progress, silent
from job.datasets.version import Version
from job.errors import StoreError
from job.storage.digest import Digest
from job.storage.parallel import each_file
from job.storage.store import KeyAbsentError, Store


def verify(datasets: Datasets, version: Version, progress: Progress = silent) -> Iterator[str]:
    """Every byte of a version, and what lies beside it; yields a line for each thing that is wrong."""
    try:
        manifest = datasets.manifest(version)
    except StoreError as error:
        yield str(error)
        return
    prefix = layout.data(version.ref, version.id)
    store = datasets.store
    wrong = each_file(lambda file: _problem(store, prefix, file, progress), manifest.files)
    yield from (line for line in wrong if line)
    known = {file.path for file in manifest.files}
    for found in store.listing(prefix):
        if found.key.removeprefix(prefix) not in known:
            yield f"{found.key}: not in the manifest"


def _problem(store: Store, prefix: str, file: File, progress: Progress) -> str | None:
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
