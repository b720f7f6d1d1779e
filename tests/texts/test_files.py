"""A version of many files of texts, as shards leave it, is one list of texts like a version of one file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from argo.texts.comparison import Counts, open_comparison
from argo.texts.files import find_texts, stream_texts
from argo.texts.index import Filter, open_index
from argo.texts.rows import Row
from job.datasets import DatasetRef, Datasets, Version
from tests.texts.conftest import Commit, row

CommitFiles = Callable[[Mapping[str, list[dict[str, object]] | bytes]], Version]

ROWS = [row("a", "one", n) for n in (1, 2, 3)] + [row("b", "two"), row("c", "three")]
FILES = {
    "outputs-00000-of-00004.jsonl": ROWS[:1],
    "outputs-00000-of-00004-00001.jsonl": ROWS[1:2],
    "outputs-00002-of-00004.jsonl": ROWS[2:4],  # the second shard had no rows
    "outputs-00003-of-00004.jsonl": ROWS[4:],
}


@pytest.fixture
def commit_files(datasets: Datasets, make: Callable[..., Path]) -> CommitFiles:
    """Commits a version of files with rows, or with bytes."""

    def committed(files: Mapping[str, list[dict[str, object]] | bytes]) -> Version:
        bodies = {
            name: rows if isinstance(rows, bytes) else b"".join(json.dumps(r).encode() + b"\n" for r in rows)
            for name, rows in files.items()
        }
        return datasets.commit_version(DatasetRef("demo"), make(bodies), lineage={})

    return committed


def test_the_texts_are_those_of_one_file(
    datasets: Datasets, commit: Commit, commit_files: CommitFiles
) -> None:
    one, many = commit(ROWS), commit_files(FILES)
    texts, others = (list(stream_texts(datasets, each, datasets.manifest(each))) for each in (one, many))
    assert texts == others
    assert len(texts) == len(ROWS)


def test_an_index_and_a_comparison_read_all_files(
    datasets: Datasets, commit: Commit, commit_files: CommitFiles
) -> None:
    read: list[int] = []
    many = commit_files(FILES)
    with (
        open_index(datasets, commit(ROWS), search=True) as first,
        open_index(datasets, many, search=True, progress=read.append) as second,
        open_comparison(first, second) as comparison,
    ):
        assert second.rows() == first.rows()
        assert second.rows(Filter(search="three")) == first.rows(Filter(search="three"))
        assert second.neighbours(Filter(), 3) == (2, 4)
        assert comparison.count() == Counts(len(ROWS), 0, 0, 0)
    assert sum(read) == sum(file.size for file in find_texts(datasets.manifest(many)))


def test_broken_rows_are_named_with_their_file(datasets: Datasets, commit_files: CommitFiles) -> None:
    again = json.dumps(row("a", "again")).encode()
    version = commit_files({**FILES, "outputs-00003-of-00004.jsonl": b"\n{\n" + again})
    with open_index(datasets, version) as index:
        assert [str(broken) for broken in index.broken()] == [
            "outputs-00003-of-00004.jsonl:2: not JSON",
            "outputs-00003-of-00004.jsonl:3: a second row with the id 'a' and the sequence 1",
        ]
        assert [found.line for found in index.rows()] == [1, 2, 3, 4]


def test_one_file_of_all_texts_is_read_alone(datasets: Datasets, commit_files: CommitFiles) -> None:
    version = commit_files({**FILES, "outputs.jsonl": ROWS})
    texts = stream_texts(datasets, version, datasets.manifest(version))
    assert [text.id for text in texts if isinstance(text, Row)] == [each["id"] for each in ROWS]
