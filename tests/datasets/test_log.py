import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.datasets import DatasetRef, Datasets, Producer, changes, layout
from job.datasets.garbage import collect_garbage
from job.datasets.history import Entry, Kind
from job.datasets.log import Log
from job.errors import StoreError, UnknownReferenceError
from job.storage.directory import Directory
from tests.datasets import writers
from tests.datasets.conftest import entry
from tests.storage.servers import on_every_server

Make = Callable[..., Path]


class Unconditional(Directory):
    """A store without conditional writes, with a clock that stands still."""

    def supports_conditional_writes(self) -> bool:
        return False

    def put_if_absent(self, key: str, body: bytes) -> bool:
        raise AssertionError("this store must not be trusted with put-if-absent")

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("kind", "length"), [("numbered", 140), ("timed", 12)])
def test_a_long_log_is_read_whole_and_in_order(
    tmp_path: Path, demo: DatasetRef, kind: str, length: int
) -> None:
    store = Directory(tmp_path / "s") if kind == "numbered" else Unconditional(tmp_path / "s")
    log = Log(store, demo)
    versions = [f"v{number}" for number in range(length)]
    for version in versions:
        log.append(lambda _, version=version: entry(Kind.COMMIT, version))  # type: ignore[misc]
    assert [e.version for e in log.read()] == versions
    assert [e.version for e in log.read(log.read()[:9])] == versions
    assert (log.read_newest().latest, log.read_newest().versions) == (versions[-1], length)
    state = log.append(lambda _: entry(Kind.DELETE, versions[-1]))
    assert state.latest == log.read_newest().latest == versions[-2]


@pytest.mark.parametrize("action", ["commit", "collect"])
def test_what_was_read_of_a_log_is_not_read_again(
    tmp_path: Path, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    store = Directory(tmp_path / "s")
    datasets = Datasets(store)
    for _ in range(70):
        Log(store, demo).append(lambda _: entry(Kind.CREATE))
    left = [f"{layout.data_prefix(demo, layout.new_id())}a" for _ in range(3)]
    for key in left:
        store.put(key, b"of a version that was never committed")
    asked, get = [], store.get
    monkeypatch.setattr(store, "get", lambda key: asked.append(key) or get(key))  # type: ignore[func-returns-value]
    if action == "commit":
        datasets.commit_version(demo, make(), lineage={})
    else:
        assert len(list(collect_garbage(store, timedelta(0)))) == 3
    assert len([key for key in asked if "/log/" in key and key > layout.log_key(demo, 70)]) == 1


@pytest.mark.parametrize("kind", ["numbered", "timed"])
def test_of_many_writers_none_is_lost(tmp_path: Path, demo: DatasetRef, kind: str, make: Make) -> None:
    store = Directory(tmp_path / "s") if kind == "numbered" else Unconditional(tmp_path / "s")
    datasets = Datasets(store)
    source = make()

    def write(number: int) -> list[str]:
        committed_ids = []
        for _ in range(2):
            version = datasets.commit_version(demo, source, lineage={})
            changes.tag(store, demo, version.id, f"by-{number}")
            committed_ids.append(version.id)
        return committed_ids

    with ThreadPoolExecutor(16) as pool:
        acknowledged = list(pool.map(write, range(16)))

    committed = [version.id for version in reversed(datasets.versions(demo))]
    assert sorted(committed) == sorted(version for committed_ids in acknowledged for version in committed_ids)
    for number, committed_ids in enumerate(acknowledged):
        assert [version for version in committed if version in committed_ids] == committed_ids
        assert datasets.resolve(DatasetRef("demo", f"by-{number}")).id == committed_ids[-1]
    assert [(dataset.latest, dataset.versions) for dataset in datasets.datasets()] == [(committed[-1], 32)]


@on_every_server
def test_of_many_processes_on_s3_none_is_lost(
    processes: ForkServerContext, s3: str, demo: DatasetRef, make: Make
) -> None:
    acknowledged = processes.Queue()
    started = [
        processes.Process(target=writers.several, args=(s3, make(), 2, acknowledged), daemon=True)
        for _ in range(4)
    ]
    for process in started:
        process.start()
    committed_ids = dict(acknowledged.get(timeout=60) for _ in started)
    for process in started:
        process.join(60)
    datasets = Datasets.at(s3)
    committed = [version.id for version in reversed(datasets.versions(demo))]
    assert sorted(committed) == sorted(version for versions in committed_ids.values() for version in versions)
    for name, versions in committed_ids.items():
        assert [version for version in committed if version in versions] == versions
        assert datasets.resolve(DatasetRef("demo", f"by-{name}")).id == versions[-1]


def test_writers_of_one_origin_all_get_one_version(datasets: Datasets, demo: DatasetRef, make: Make) -> None:
    source, producer = make(), Producer("run", "job", "output")
    with ThreadPoolExecutor(6) as pool:
        versions = set(
            pool.map(lambda _: datasets.commit_version(demo, source, lineage={}, producer=producer), range(6))
        )
    assert len(versions) == len(datasets.versions(demo)) == 1


def test_one_origin_s_writers_get_one_version_also_without_conditional_writes(
    tmp_path: Path, demo: DatasetRef, make: Make
) -> None:
    datasets = Datasets(Unconditional(tmp_path / "s"))
    source, producer = make(), Producer("run", "job", "output")
    with ThreadPoolExecutor(6) as pool:
        list(
            pool.map(lambda _: datasets.commit_version(demo, source, lineage={}, producer=producer), range(6))
        )
    assert len(datasets.versions(demo)) == 1
    assert datasets.commit_version(demo, source, lineage={}, producer=producer) == datasets.versions(demo)[0]


@pytest.mark.parametrize(
    ("entries", "latest"),
    [
        ([entry(Kind.CREATE), entry(Kind.COLLECT, "v"), entry(Kind.COMMIT, "v")], None),
        ([entry(Kind.COMMIT, version, producer=Producer("r", "j", "o")) for version in "uv"], "u"),
    ],
    ids=["collected before", "committed by another pod before"],
)
def test_a_version_that_history_rejects_is_not_resolved(
    tmp_path: Path, demo: DatasetRef, entries: list[Entry], latest: str | None
) -> None:
    datasets = Datasets(Unconditional(tmp_path / "s"))
    for each in entries:
        Log(datasets.store, demo).append(lambda _, each=each: each)  # type: ignore[misc]
    with pytest.raises(UnknownReferenceError, match="demo:v: "):
        datasets.resolve(DatasetRef("demo", "v"))
    assert [each.latest for each in datasets.datasets()] == [latest]


def test_a_log_by_number_goes_on_by_time(tmp_path: Path, demo: DatasetRef, make: Make) -> None:
    first = Datasets(Directory(tmp_path / "s")).commit_version(demo, make(), lineage={})
    second = Datasets(Unconditional(tmp_path / "s")).commit_version(demo, make(), lineage={})
    third = Datasets(Directory(tmp_path / "s")).commit_version(demo, make(), lineage={})
    assert [v.id for v in Datasets(Directory(tmp_path / "s")).versions(demo)] == [
        third.id,
        second.id,
        first.id,
    ]
    assert [dataset.latest for dataset in Datasets(Directory(tmp_path / "s")).datasets()] == [third.id]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda body: body[: len(body) // 2], "damaged in the store"),
        (lambda _: b"[]", "damaged in the store"),
        (lambda body: body.replace(b'"sequence": 2', b'"sequence": 7'), "damaged in the store"),
        (lambda body: body.replace(b'"format": 1', b'"format": 2'), "newer textgen"),
        (lambda body: body.replace(b'"kind": "commit"', b'"kind": "comit"'), "damaged in the store"),
    ],
)
def test_a_damaged_record_is_reported_and_nothing_is_written_after_it(
    tmp_path: Path, demo: DatasetRef, make: Make, damage: Callable[[bytes], bytes], message: str
) -> None:
    datasets = Datasets(Directory(tmp_path / "s"))
    for _ in range(2):
        datasets.commit_version(demo, make(), lineage={})
    key = layout.log_key(demo, 2)
    datasets.store.put(key, damage(datasets.store.get(key)))
    with pytest.raises(StoreError, match=f"{key}.*{message}"):
        datasets.versions(demo)
    with pytest.raises(StoreError, match=message):
        datasets.commit_version(demo, make(), lineage={})
    assert len(list(datasets.store.list_objects(layout.log_prefix(demo)))) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", 10**40),
        ("sequence", "2"),
        ("exists", "yes"),
        ("latest", 1),
        ("tags", ["a"]),
        ("tags", {"a": 1}),
        ("versions", None),
        ("entry", {"version": []}),
        ("entry", {"version": 1}),
        ("entry", {"message": ["a"]}),
        ("entry", {"files": "many"}),
        ("entry", {"size": 1.5}),
        ("entry", {"at": "2026-01-01T00:00:00"}),
        ("entry", {"origin": {"run": [], "job": "", "output": ""}}),
        ("earlier", [{"message": 1}]),
    ],
)
def test_a_value_of_another_type_is_a_line(
    tmp_path: Path, demo: DatasetRef, make: Make, name: str, value: Any
) -> None:
    datasets = Datasets(Directory(tmp_path / "s"))
    for _ in range(2):
        datasets.commit_version(demo, make(), lineage={})
    key = layout.log_key(demo, 2)
    record = json.loads(datasets.store.get(key))
    if name == "entry":
        value = record["entry"] | value
    if name == "earlier":
        value = [record["earlier"][0] | value[0]]
    datasets.store.put(key, json.dumps(record | {name: value}).encode())
    with pytest.raises(StoreError, match=f"^{key}: damaged in the store: "):
        datasets.versions(demo)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_newer_keys_sort_first(one: int, other: int) -> None:
    demo = DatasetRef("demo")
    assert (layout.log_key(demo, one) < layout.log_key(demo, other)) == (one > other)
    when = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    timed = layout.timed_log_key(demo, when + one, "x")
    assert timed < layout.log_key(demo, other)
    assert layout.parse_milliseconds(timed) == when + one
