"""Which files of a version hold its texts, and the rows in them."""

from collections.abc import Iterable, Iterator

from argo.texts.rows import BrokenRow, Lines, Row, read_names, read_rows
from job.datasets import Datasets, File, Manifest, Version
from job.errors import UnknownReferenceError
from job.generate.shards.files import list_shard_files
from job.storage.parallel import Progress, ignore_progress

FILE = "outputs.jsonl"


def find_texts(manifest: Manifest) -> tuple[File, ...]:
    """The files of the version's texts, in their order: outputs.jsonl, or those of its shards; none if it has
    no texts."""
    files = {file.path: file for file in manifest.files}
    return (files[FILE],) if FILE in files else tuple(files[path] for path in list_shard_files(FILE, files))


def get_texts(version: Version, manifest: Manifest) -> tuple[File, ...]:
    """The files of the version's texts. Raises UnknownReferenceError if it has none."""
    if not (files := find_texts(manifest)):
        raise UnknownReferenceError(
            f"{version}: no texts in it (no {FILE}); see textgen dataset files {version}"
        )
    return files


def open_lines(
    datasets: Datasets, version: Version, files: Iterable[File], progress: Progress = ignore_progress
) -> Lines:
    """The lines of files of a version. `progress` is called with the bytes that were read.

    Raises StoreError, while they are read, if the store can't be read or has other bytes than were committed.
    """
    return Lines((file.path, _count(datasets.stream_file(version, file), progress)) for file in files)


def stream_texts(datasets: Datasets, version: Version, manifest: Manifest) -> Iterator[Row | BrokenRow]:
    """The version's texts. Raises UnknownReferenceError if it has none, and as `open_lines`."""
    return read_rows(open_lines(datasets, version, get_texts(version, manifest)), read_names(manifest))


def _count(chunks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    for chunk in chunks:
        progress(len(chunk))
        yield chunk
