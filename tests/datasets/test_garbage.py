import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from job.datasets import DatasetRef, Datasets, garbage, layout
from job.datasets.garbage import Freed
from job.errors import CommitError, StoreError
from tests.storage.servers import on_every_server

Make = Callable[..., Path]
NOW = timedelta(0)


def keys(datasets: Datasets, part: str) -> list[str]:
    return [item.key for item in datasets.store.list_objects("") if part in item.key]


def abandoned(datasets: Datasets, demo: DatasetRef) -> str:
    """A version whose writer died before it came to the log."""
    version = layout.new_id()
    datasets.store.put(f"{layout.data_prefix(demo, version)}a/b", b"x" * 10)
    datasets.store.put(layout.manifest_key(demo, version), b"{}")
    return version


def test_what_was_never_committed_is_tombstoned_and_then_removed(
    datasets: Datasets, demo: DatasetRef
) -> None:
    version = abandoned(datasets, demo)
    assert list(datasets.collect_garbage()) == []
    assert list(datasets.collect_garbage(NOW)) == [Freed(f"demo:{version}", 12)]
    assert keys(datasets, version) == []
    assert datasets.datasets() == []
    assert list(datasets.collect_garbage(NOW)) == []


def test_a_commit_that_is_too_slow_is_refused_not_torn(
    datasets: Datasets, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = datasets.store.put

    def slow(key: str, body: bytes) -> None:
        put(key, body)
        if "/manifest/" in key:
            assert len(list(datasets.collect_garbage(NOW))) == 1

    monkeypatch.setattr(datasets.store, "put", slow)
    with pytest.raises(CommitError, match="garbage collection gave this version up"):
        datasets.commit_version(demo, make(), lineage={})
    assert datasets.datasets() == []
    assert keys(datasets, "/data/") == keys(datasets, "/manifest/") == []


def test_a_deleted_version_stays_for_a_while(datasets: Datasets, demo: DatasetRef, make: Make) -> None:
    kept, deleted = (datasets.commit_version(demo, make(), lineage={}) for _ in range(2))
    datasets.delete(deleted)
    assert list(datasets.collect_garbage()) == []
    assert keys(datasets, deleted.id) != []
    assert [freed.name for freed in datasets.collect_garbage(NOW)] == [str(deleted)]
    assert keys(datasets, deleted.id) == []
    assert datasets.versions(demo) == [kept]


def test_what_a_recent_run_reads_stays(datasets: Datasets, demo: DatasetRef, make: Make) -> None:
    version = datasets.commit_version(demo, make(), lineage={})
    resolved = json.dumps({"demo:latest": str(version)}).encode()
    datasets.store.put("runs/r1/resolved.json", resolved)
    datasets.store.put("runs/r2/jobs/j.json", b"{}")
    datasets.drop(demo, with_versions=True)
    assert list(datasets.collect_garbage(NOW)) == []
    datasets.store.delete(["runs/r1/resolved.json"])
    assert [freed.name for freed in datasets.collect_garbage(NOW)] == [str(version)]


def test_an_old_run_s_files_are_removed(
    folder: str, demo: DatasetRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = Datasets.at(folder)
    datasets.store.put("runs/r1/volumes/j/x/v.tar", b"tar")
    now = datasets.store.now()
    assert list(datasets.collect_garbage()) == []
    monkeypatch.setattr(datasets.store, "now", lambda: now + timedelta(days=40))
    assert list(datasets.collect_garbage()) == [Freed("runs/r1/", 3)]
    assert keys(datasets, "") == []


def test_what_shards_have_stored_is_removed_when_it_is_in_a_version(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "_BATCH", 2)
    now = datasets.store.now()
    over = {"format": 1, "at": now.isoformat()}
    for run in ("r1", "r2"):
        for number in range(3):
            datasets.store.put(f"runs/{run}/shards/write/{number:05d}/parts/a", b"part")
        datasets.store.put(f"runs/{run}/jobs/write.json", b"{}")
    datasets.store.put("runs/r1/shards/write/over.json", json.dumps(over).encode())
    assert list(datasets.collect_garbage()) == []
    assert list(datasets.collect_garbage(NOW)) == [Freed("runs/r1/shards/write/", 12)]
    assert keys(datasets, "runs/r1/") == ["runs/r1/jobs/write.json", "runs/r1/shards/write/over.json"]
    assert len(keys(datasets, "runs/r2/")) == 4
    assert list(datasets.collect_garbage(NOW)) == []
    monkeypatch.setattr(datasets.store, "now", lambda: now + timedelta(days=40))
    assert [freed.name for freed in datasets.collect_garbage()] == ["runs/r1/", "runs/r2/"]
    assert keys(datasets, "runs/") == []


@pytest.mark.parametrize("document", [b"{}", b'{"format": 1, "at": 1}', b'{"format": 1}', b"["])
def test_a_damaged_end_of_shards_is_named(datasets: Datasets, document: bytes) -> None:
    datasets.store.put("runs/r1/shards/write/over.json", document)
    with pytest.raises(StoreError, match=r"^runs/r1/shards/write/over.json: "):
        list(datasets.collect_garbage())


def test_an_interrupted_upload_is_removed(s3: str, boto: Any, bucket: str) -> None:
    datasets = Datasets.at(s3)
    root = s3.partition("?")[0].partition(f"{bucket}/")[2]
    key = f"{root}/default/demo/data/x/large"
    upload = boto.create_multipart_upload(Bucket=bucket, Key=key)
    boto.upload_part(Bucket=bucket, Key=key, PartNumber=1, UploadId=upload["UploadId"], Body=b"x" * 100)
    assert list(datasets.collect_garbage()) == []
    assert [freed.name for freed in datasets.collect_garbage(NOW)] == ["default/demo/data/x/large"]
    left = boto.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    assert not [upload for upload in left if upload["Key"] == key]


@pytest.mark.parametrize("document", [b'{"demo": null, "a": ["b"]}', b'{"demo": "a b"}', b"[]"])
def test_a_damaged_list_of_what_a_run_reads_is_named(datasets: Datasets, document: bytes) -> None:
    datasets.store.put("runs/r1/resolved.json", document)
    with pytest.raises(StoreError, match=r"^runs/r1/resolved.json: damaged in the store: "):
        list(datasets.collect_garbage())


def test_what_a_probe_that_was_killed_has_left_is_removed(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets.store.put(".probe/a", b"12")
    assert list(datasets.collect_garbage(NOW)) == []  # perhaps a probe is at it
    now = datasets.store.now()
    monkeypatch.setattr(datasets.store, "now", lambda: now + timedelta(days=2))
    assert list(datasets.collect_garbage()) == [Freed(".probe/", 2)]
    assert keys(datasets, ".probe") == []


def test_what_is_being_written_is_not_removed(folder: str) -> None:
    store = Datasets.at(folder).store

    def chunks() -> Iterator[bytes]:
        yield b"half"
        assert list(Datasets.at(folder).collect_garbage(NOW)) == []
        yield b"half"

    store.upload("default/x", chunks(), 8)
    assert store.get("default/x") == b"halfhalf"


@pytest.mark.parametrize("when", ["upload", "list_objects"])
def test_a_writer_whose_files_were_removed_is_told(
    datasets: Datasets, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    method, other = getattr(datasets.store, when), Datasets(copy(datasets.store))

    def slow(key: str, *rest: Any) -> Any:
        if when == "upload":
            method(key, *rest)
        if "/data/" in key:
            list(other.collect_garbage(NOW))
        return method(key, *rest) if when == "list_objects" else None

    monkeypatch.setattr(datasets.store, when, slow)
    with pytest.raises(CommitError, match="demo: garbage collection gave this version up"):
        datasets.commit_version(demo, make(), lineage={})


@on_every_server
def test_a_writer_whose_upload_was_removed_is_told(s3: str) -> None:
    store = Datasets.at(s3).store
    freed: list[Freed] = []

    def chunks(other: ThreadPoolExecutor) -> Iterator[bytes]:
        yield bytes(32 << 20)
        freed.extend(other.submit(lambda: list(Datasets.at(s3).collect_garbage(NOW))).result())
        yield bytes(32 << 20)

    with (
        ThreadPoolExecutor(1) as other,
        pytest.raises(StoreError, match="the upload was removed meanwhile, as gc does with old ones; try"),
    ):
        store.upload("default/x", chunks(other), 64 << 20)
    assert freed == [Freed("default/x", 0)]


def test_a_half_written_file_is_removed(folder: str) -> None:
    datasets = Datasets.at(folder)
    datasets.store.put("default/x", b"")
    left = datasets.store.root / ".tmp" / "left"  # type: ignore[attr-defined]
    left.write_bytes(b"half")
    assert list(datasets.collect_garbage()) == []
    assert list(datasets.collect_garbage(NOW)) == [Freed(".tmp/left", 0)]
    assert not left.exists()
