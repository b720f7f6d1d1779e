import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets, Version, layout
from job.datasets.manifest import Manifest
from job.errors import InputError, StoreError
from tests.datasets import writers
from tests.storage.proxy import NONE, Fault, Proxy
from tests.storage.servers import on_every_server

Make = Callable[..., Path]


@pytest.fixture
def version(datasets: Datasets, demo: DatasetRef, make: Make) -> Version:
    return datasets.commit_version(demo, make({"a": "first", "sub/b": "second"}), lineage={})


def damage(datasets: Datasets, version: Version, path: str, body: bytes | None) -> None:
    key = layout.data_prefix(version.ref, version.id) + path
    datasets.store.delete([key]) if body is None else datasets.store.put(key, body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"fIrst", "not the bytes that were committed"),
        (b"firs", "has 4 bytes, not the 5"),
        (b"", "has 0 bytes, not the 5"),
        (None, "missing"),
    ],
    ids=["flipped", "cut", "empty", "gone"],
)
def test_damaged_bytes_are_found_and_not_handed_out(
    datasets: Datasets, version: Version, tmp_path: Path, body: bytes | None, message: str
) -> None:
    damage(datasets, version, "a", body)
    with pytest.raises(StoreError, match=r"data/.*/a: |deleted while it was read"):
        datasets.fetch(version, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    [line] = datasets.verify(version)
    assert message in line


def test_a_file_can_be_split_while_it_is_read(datasets: Datasets, version: Version) -> None:
    file = datasets.files(version)[0]
    assert [chunk.split(b"r") for chunk in datasets.stream_file(version, file)] == [[b"fi", b"st"]]


def test_what_appears_is_on_the_disk(
    datasets: Datasets, version: Version, tmp_path: Path, disk_calls: list[str]
) -> None:
    datasets.fetch(version, tmp_path / "out")
    partial = f"sync {tmp_path}/.out.{version.id}.partial"
    *before, move, last = disk_calls
    assert {*before} >= {f"{partial}{path}" for path in ("/a 5", "/sub/b 6", "/sub", "")}
    assert (move, last) == (f"move to {tmp_path}/out", f"sync {tmp_path}")


def test_a_flipped_byte_of_a_manifest_is_found(datasets: Datasets, version: Version, tmp_path: Path) -> None:
    key = layout.manifest_key(version.ref, version.id)
    body = datasets.store.get(key)
    datasets.store.put(key, body.replace(b'"mode": "0', b'"mode": "1', 1))
    with pytest.raises(StoreError, match="damaged in the store: not the manifest that was committed"):
        datasets.fetch(version, tmp_path / "out")
    assert len(list(datasets.verify(version))) == 1


def test_a_manifest_makes_no_file_setuid(datasets: Datasets, version: Version) -> None:
    key = layout.manifest_key(version.ref, version.id)
    body = datasets.store.get(key).replace(b'"mode": "0', b'"mode": "4')
    assert {each.mode & ~0o777 for each in Manifest.decode(body, key).files} == {0}


def test_another_file_beside_a_version_s_files_is_reported(datasets: Datasets, version: Version) -> None:
    damage(datasets, version, "more", b"x")
    assert list(datasets.verify(version)) == [
        f"{layout.data_prefix(version.ref, version.id)}more: not in the manifest"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"files": [{"path": "../x", "size": 1, "sha256": "0" * 64, "mode": "0644"}]},
        {"files": [{"path": "/x", "size": 1, "sha256": "0" * 64, "mode": "0644"}]},
        {"files": [{"path": "a", "size": 1, "sha256": "../../x", "mode": "0644"}]},
        {
            "files": [{"path": "l/x", "size": 1, "sha256": "0" * 64, "mode": "0644"}],
            "links": [{"path": "l", "target": "/"}],
        },
        {"folders": [{"path": "a/../../b", "mode": "0755"}]},
        {"links": [{"path": "x\n", "target": "a"}]},
        {"files": "none"},
        {"files": [{"path": None}]},
        {"origin": 7},
        {"origin": {"run": [], "job": "", "output": ""}},
        {"dataset": None},
        {"parent": ["v"]},
        {"message": 5},
        {"lineage": ["a"]},
        {"links": [{"path": "l", "target": 5}]},
        {"format": 2},
    ],
)
def test_a_manifest_that_could_write_elsewhere_is_refused(change: dict[str, object]) -> None:
    good = Manifest("default/demo", "v", None, "", None, {}, (), (), ())
    with pytest.raises(StoreError, match=r"^KEY: "):
        Manifest.decode(json.dumps(json.loads(good.encode()) | change).encode(), "KEY")


def test_a_link_that_leads_out_is_not_written(folder: str, version: Version, tmp_path: Path) -> None:
    from job.datasets.fetch import fetch_version
    from job.datasets.manifest import Link

    datasets = Datasets.at(folder)
    manifest = Manifest("default/demo", "v", None, "", None, {}, (), (Link("out", "../../etc"),), ())
    with pytest.raises(StoreError, match="'out': a link that leads out of the version"):
        fetch_version(datasets.store, version.ref, manifest, tmp_path / "out", lambda _: None)
    assert list(tmp_path.glob("*out*")) == []


def test_a_target_that_is_taken_is_refused(datasets: Datasets, version: Version, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    with pytest.raises(InputError, match="out: exists already; name a new folder"):
        datasets.fetch(version, tmp_path / "out")
    assert (tmp_path / "out/mine").read_text() == "mine"
    (tmp_path / "out/mine").unlink()
    datasets.fetch(version, tmp_path / "out")
    assert (tmp_path / "out/a").read_text() == "first"


@on_every_server
def test_a_fetch_that_was_killed_goes_on(
    processes: ForkServerContext,
    s3: str,
    behind: str,
    proxy: Proxy,
    demo: DatasetRef,
    make: Make,
    tmp_path: Path,
) -> None:
    datasets = Datasets.at(s3)
    large = os.urandom(9 << 20)
    version = datasets.commit_version(demo, make({"large": large, "small": "x"}), lineage={})
    partial = tmp_path / f".out.{version.id}.partial"
    killed = threading.Event()
    proxy.fault = lambda request: (
        Fault(before=killed.wait) if request.range else Fault(cut="/large" in request.path)
    )
    process = processes.Process(
        target=writers.fetch, args=(behind, str(version), tmp_path / "out"), daemon=True
    )
    process.start()
    deadline = time.monotonic() + 60
    while not any("/large" in request.path and request.range for request in proxy.seen):
        assert time.monotonic() < deadline, [(r.path, r.range) for r in proxy.seen]
        time.sleep(0.005)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    killed.set()
    assert not (tmp_path / "out").exists()

    proxy.fault = lambda _: NONE
    size_before = (partial / "large").stat().st_size
    assert size_before
    moved: list[int] = []
    received: list[int] = []
    through = Datasets.at(behind)
    read = through.store.read

    def counted(key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        for chunk in read(key, start, end):
            if key.endswith("large"):
                received.append(len(chunk))
            yield chunk

    through.store.read = counted  # type: ignore[method-assign]
    through.fetch(version, tmp_path / "out", progress=moved.append)
    assert (tmp_path / "out/large").read_bytes() == large
    assert sum(received) == len(large) - size_before
    assert sum(moved) == len(large) + 1
    assert not partial.exists()


def test_what_a_killed_fetch_left_damaged_is_fetched_again(
    datasets: Datasets, version: Version, tmp_path: Path
) -> None:
    partial = tmp_path / f".out.{version.id}.partial"
    (partial / "sub").mkdir(parents=True)
    (partial / "a").write_text("fi?")
    (partial / "sub/stray").write_text("from another version")
    with pytest.raises(StoreError, match="not the bytes"):
        datasets.fetch(version, tmp_path / "out")
    datasets.fetch(version, tmp_path / "out")
    assert (tmp_path / "out/a").read_text() == "first"
    assert not (tmp_path / "out/sub/stray").exists()


def test_two_fetches_to_one_place_don_t_mix(datasets: Datasets, version: Version, tmp_path: Path) -> None:
    def second(_: int) -> None:
        with pytest.raises(InputError, match="/out: another fetch is writing there"):
            datasets.fetch(version, tmp_path / "out")

    datasets.fetch(version, tmp_path / "out", progress=second)


def test_a_place_that_can_t_be_is_named_as_it_was_typed(
    datasets: Datasets, version: Version, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="/file/out: Not a directory"):
        datasets.fetch(version, tmp_path / "file/out")


def test_a_version_that_is_deleted_while_it_is_read_stays_for_a_while(
    datasets: Datasets, version: Version, tmp_path: Path
) -> None:
    datasets.delete(version)
    list(datasets.collect_garbage())
    datasets.fetch(version, tmp_path / "out")
    from datetime import timedelta

    list(datasets.collect_garbage(timedelta(0)))
    with pytest.raises(StoreError, match="deleted meanwhile"):
        datasets.fetch(version, tmp_path / "later")


def test_a_full_disk_is_one_line(
    datasets: Datasets, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreError, match="No space left on device"):
        datasets.fetch(version, tmp_path / "out")
    monkeypatch.undo()
    datasets.fetch(version, tmp_path / "out")
