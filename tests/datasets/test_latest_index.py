"""Listing all datasets takes one request for each, and is right even if writers were stopped."""

from collections.abc import Callable
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets, latest_index, layout
from tests.storage.proxy import Proxy

Make = Callable[..., Path]


def latest(datasets: Datasets) -> list[str | None]:
    return [dataset.latest for dataset in datasets.datasets()]


def test_each_dataset_costs_one_request(behind: str, proxy: Proxy, make: Make) -> None:
    datasets = Datasets.at(behind)
    versions = [
        datasets.commit_version(DatasetRef(f"ds{n}"), make(), lineage={}) for n in range(5) for _ in range(2)
    ]
    proxy.seen.clear()
    assert latest(datasets) == [version.id for version in versions[1::2]]
    assert len([request for request in proxy.seen if "/log/" in request.path]) == 5
    assert len(proxy.seen) == 5 + 3


@pytest.mark.parametrize("numbers", [[], [1, 2, 3], [4], [1, 2, 3, 4, 5]])
def test_what_stopped_writers_leave_misleads_nobody(
    datasets: Datasets, demo: DatasetRef, make: Make, numbers: list[int]
) -> None:
    versions = [datasets.commit_version(demo, make(), lineage={}) for _ in range(3)]
    assert latest_index.read_hints(datasets.store) == {demo: [3]}
    latest_index.prune_hints(datasets.store, demo, [3])
    for number in numbers:
        latest_index.publish_hint(datasets.store, demo, number)
    assert latest(datasets) == [versions[-1].id]
    newer = datasets.commit_version(demo, make(), lineage={})
    assert latest(datasets) == [newer.id]


def test_a_dataset_with_no_version_and_one_that_is_gone(datasets: Datasets, demo: DatasetRef) -> None:
    datasets.create(demo)
    assert latest(datasets) == [None]
    datasets.drop(demo, with_versions=True)
    assert latest(datasets) == []


def test_what_is_the_stores_own_is_no_dataset(datasets: Datasets, demo: DatasetRef) -> None:
    for folder in ("runs/r", "triggers/t", ".heads/default", ".probe/x", "default/demo"):
        datasets.store.put(f"{folder}/a", b"")
    assert layout.list_refs(datasets.store) == [demo]
