"""A version of files that are in the store already: they are copied there, and not read."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from job.datasets import DatasetRef, Datasets, Producer, StoredFile, Version
from job.errors import CommitError, StoreError
from tests.storage.proxy import NONE, Fault, Proxy
from tests.storage.servers import on_every_server

BODIES = {"a.jsonl": b"1\n", "b.jsonl": b"2\n" * 1000, "empty": b""}
PRODUCER = Producer("run", "write", "texts")


def store_files(datasets: Datasets, bodies: dict[str, bytes] = BODIES) -> list[StoredFile]:
    """The files under keys of a run."""
    for path, body in bodies.items():
        datasets.store.put(f"runs/r/files/{path}", body)
    return [
        StoredFile(path, f"runs/r/files/{path}", len(body), hashlib.sha256(body).hexdigest())
        for path, body in bodies.items()
    ]


def commit(datasets: Datasets, demo: DatasetRef, files: list[StoredFile]) -> Version:
    return datasets.commit_stored_files(
        demo, files, {"run.json": b"{}"}, lineage={"run": "r"}, producer=PRODUCER
    )


def test_a_version_holds_the_files_and_outlives_what_they_were_copied_from(
    datasets: Datasets, demo: DatasetRef
) -> None:
    files = store_files(datasets)
    version = commit(datasets, demo, files)
    datasets.store.delete(file.key for file in files)
    assert list(datasets.verify(version)) == []
    found = {file.path: datasets.read_file(version, file.path) for file in datasets.files(version)}
    assert found == {**BODIES, "run.json": b"{}"}
    assert datasets.manifest(version).lineage == {"run": "r"}


def test_a_producer_commits_once(datasets: Datasets, demo: DatasetRef) -> None:
    files = store_files(datasets)
    assert datasets.find_commit(demo, PRODUCER) is None
    version = commit(datasets, demo, files)
    datasets.store.delete(file.key for file in files)
    assert commit(datasets, demo, files) == version == datasets.find_commit(demo, PRODUCER)
    datasets.delete(version)
    assert datasets.find_commit(demo, PRODUCER) is None


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda file: StoredFile(file.path, file.key, file.size + 1, file.sha256), "does not list it with 3"),
        (lambda file: StoredFile("b.jsonl", file.key, file.size, file.sha256), "in the version twice"),
        (lambda file: StoredFile(file.path, "runs/r/gone", file.size, file.sha256), "runs/r/gone: not in"),
    ],
    ids=["another size", "one path twice", "gone"],
)
def test_what_is_not_as_it_was_said_to_be_is_not_committed(
    datasets: Datasets, demo: DatasetRef, change: Callable[[StoredFile], StoredFile], refusal: str
) -> None:
    first, *rest = store_files(datasets)
    with pytest.raises((StoreError, CommitError), match=refusal):
        commit(datasets, demo, [change(first), *rest])
    assert datasets.datasets() == []


def test_a_commit_that_garbage_collection_gave_up_is_refused(
    datasets: Datasets, demo: DatasetRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, copy = store_files(datasets), datasets.store.copy

    def slow(source: str, target: str) -> None:
        copy(source, target)
        list(datasets.collect_garbage(timedelta(0)))

    monkeypatch.setattr(datasets.store, "copy", slow)
    with pytest.raises(CommitError, match="garbage collection gave this version up"):
        commit(datasets, demo, files)
    assert datasets.datasets() == []


@on_every_server
@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(answer=503), Fault(cut=True), Fault(twice=True)])
def test_a_commit_through_a_bad_network_makes_one_version(
    behind: str, proxy: Proxy, demo: DatasetRef, fault: Fault
) -> None:
    """Every seventh request is hit, and a file is large enough to be copied in parts."""
    datasets = Datasets.at(behind)
    files = store_files(datasets, {**BODIES, "large": b"x" * ((8 << 20) + 1)})
    proxy.fault = lambda request: fault if request.number % 7 == 0 else NONE
    for _ in range(5):
        try:
            version = commit(datasets, demo, files)
        except StoreError:
            continue
        break
    proxy.fault = lambda _: NONE
    assert datasets.versions(demo) == [version]
    assert list(datasets.verify(version)) == []
