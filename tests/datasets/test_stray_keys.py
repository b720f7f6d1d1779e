"""Keys that others have put into a store are neither read nor removed, and mislead nobody."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from job.datasets import DatasetRef, Datasets, layout
from job.datasets.log import Log
from job.errors import StoreError
from job.storage.store import UnavailableError
from tests.storage.servers import WHICH, on_every_server

Make = Callable[..., Path]
NOW = timedelta(0)


def check(datasets: Datasets, demo: DatasetRef, make: Make) -> None:
    """Everything that reads listed keys does what it does without strays."""
    first = datasets.versions(demo)[-1]
    second = datasets.commit_version(demo, make(), lineage={})
    assert [(str(each), each.latest) for each in datasets.datasets()] == [("demo", second.id)]
    assert [version.id for version in datasets.versions(demo)] == [second.id, first.id]
    assert datasets.resolve(demo).id == second.id
    entries = Log(datasets.store, demo).read()
    assert list(datasets.collect_garbage(NOW)) == []
    assert Log(datasets.store, demo).read() == entries


@pytest.mark.parametrize(
    "key",
    [
        ".heads/.DS_Store",
        ".heads/default/demo/.DS_Store",
        ".heads/default/demo/old/00000000000009",
        ".heads/runs/demo/00000000000001",
        ".probe/.DS_Store",
        "default/.DS_Store",
        "default/demo/.DS_Store",
        "default/demo/data/.DS_Store",
        "default/demo/data/my files/a",
        "default/demo/log/.DS_Store",
        "default/demo/log/00000000000000 copy.json",
        "default/demo/log/00000000000000-x.json",
        "default/demo/log/0ld/00000000000000.json",
        "default/demo/manifest/.DS_Store",
        "default/demo/manifest/notes.json",
        "default/my files/log/a",
        "my files/demo/log/a",
        "runs/.DS_Store",
        "runs/r/.DS_Store",
    ],
)
def test_a_stray_key_is_left_alone(datasets: Datasets, demo: DatasetRef, make: Make, key: str) -> None:
    datasets.commit_version(demo, make(), lineage={})
    datasets.store.put(key, b"?")
    check(datasets, demo, make)
    assert datasets.store.get(key) == b"?"


@on_every_server
def test_a_consoles_markers_of_folders_are_left_alone(
    s3: str, boto: Any, bucket: str, demo: DatasetRef, make: Make
) -> None:
    datasets = Datasets.at(s3)
    version = datasets.commit_version(demo, make(), lineage={})
    root = s3.partition("?")[0].partition(f"{bucket}/")[2]
    demo_folders = ["", "log/", "manifest/", "data/", f"data/{version.id}/", f"data/{layout.new_id()}/"]
    others = ["", ".heads/", ".heads/default/demo/", ".probe/", "default/", "runs/", "runs/r/", "empty/demo/"]
    for folder in [*others, *(f"default/demo/{each}" for each in demo_folders)]:
        boto.put_object(Bucket=bucket, Key=f"{root}/{folder}", Body=b"")
    check(datasets, demo, make)
    assert list(datasets.verify(version)) == []


@pytest.mark.skipif(WHICH != "ministack", reason="other servers refuse such a key")
def test_a_key_that_can_not_be_listed_is_named(
    s3: str, boto: Any, bucket: str, demo: DatasetRef, make: Make
) -> None:
    datasets = Datasets.at(s3)
    datasets.commit_version(demo, make(), lineage={})
    root = s3.partition("?")[0].partition(f"{bucket}/")[2]
    boto.put_object(Bucket=bucket, Key=f"{root}/default/demo/log//x", Body=b"")
    with pytest.raises(StoreError, match=r"a key there is not textgen's.*demo/log//x") as caught:
        datasets.versions(demo)
    assert not isinstance(caught.value, UnavailableError)
