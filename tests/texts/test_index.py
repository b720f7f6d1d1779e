import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

from argo.texts.index import Figures, Filter, Order, open_index
from argo.texts.rows import BrokenRow
from job.datasets import DatasetRef, Datasets
from job.errors import StoreError, TextgenError, UnknownReferenceError
from tests.texts.conftest import Commit, row

ROWS = [
    row("a", "Hello big World"),
    row("a", "Café au lait", 2, finish_reason="length"),
    row("b", "C++ is 50% done", prompt="Über Sprachen:", finish_reason="length"),
    row("c", "世界は広い", prompt="Sag:"),
    row("d", "", prompt="Fail", error="out of memory", finish_reason="", new_tokens=None),
]


def test_pages_are_in_the_order_of_the_file(datasets: Datasets, commit: Commit) -> None:
    version = commit([row(str(n)) for n in range(7)])
    with open_index(datasets, version) as index:
        pages = [[found.id for found in index.rows(start=start, limit=3)] for start in (0, 3, 6, 9)]
        assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6"], []]
        assert index.count() == 7


@pytest.mark.parametrize("written", [*ROWS, row(score=[1, {"x": None}]), {"text": "b", "prompt": "A"}])
def test_a_row_comes_back_as_it_was(datasets: Datasets, commit: Commit, written: dict[str, object]) -> None:
    with open_index(datasets, commit([written])) as index:
        (found,) = index.rows()
        assert {name: value for name, value in written.items() if value is not None and value != ""} == {
            name: value for name, value in found.to_json().items() if written.get(name) not in (None, "")
        }
        assert index.read(found.line) == found
        assert index.read(9) is None


@pytest.mark.parametrize(
    ("which", "ids"),
    [
        (Filter(search="hello"), "a"),
        (Filter(search="WORL hel"), "a"),
        (Filter(search="ello"), ""),
        (Filter(search='"ello big"'), "a"),
        (Filter(search="hello, big"), ""),
        (Filter(search="cafe"), "a"),
        (Filter(search="über"), "b"),
        (Filter(search="c++ IS"), "b"),
        (Filter(search="50%"), "b"),
        (Filter(search="%"), "b"),
        (Filter(search="界は"), "c"),
        (Filter(search='" OR "'), ""),
        (Filter(search='"'), ""),
        (Filter(search="NOT hello"), ""),
        (Filter(prompt="SAG"), "c"),
        (Filter(id="B"), "b"),
        (Filter(finish_reason="length"), "ab"),
        (Filter(finish_reason=""), "d"),
        (Filter(errors=True), "d"),
        (Filter(least=3, most=3), "aa"),
        (Filter(search="hello", finish_reason="length"), ""),
        (Filter(), "aabcd"),
    ],
    ids=str,
)
def test_rows_are_found(datasets: Datasets, commit: Commit, which: Filter, ids: str) -> None:
    with open_index(datasets, commit(ROWS), search=True) as index:
        assert "".join(found.id for found in index.rows(which)) == ids
        assert index.count(which) == len(ids)


def test_a_search_for_text_needs_no_index_of_words(datasets: Datasets, commit: Commit) -> None:
    with open_index(datasets, commit(ROWS)) as index:
        assert [found.id for found in index.rows(Filter(search="ELLO b"))] == ["a"]


def test_names_of_fields_come_from_the_lineage(datasets: Datasets, commit: Commit) -> None:
    record = {"settings": {"prefix": "gen_", "prompt_field": "q", "messages_field": 7}, "run": {}}
    with open_index(datasets, commit([{"q": "A", "gen_id": "x", "gen_text": "A b"}], record)) as index:
        assert [(found.id, found.prompt, found.completion) for found in index.rows()] == [("x", "A", " b")]


def test_what_can_be_counted_is(datasets: Datasets, commit: Commit) -> None:
    with open_index(datasets, commit(ROWS)) as index:
        assert index.figures() == Figures(5, 0, 1, {"": 1, "length": 2, "stop": 2}, 11)
        assert index.histogram(2) == [(1, 2, 1), (3, 4, 3)]
        assert index.histogram(3) == [(1, 2, 1), (3, 4, 3)]
    with open_index(datasets, commit([row(str(n), new_tokens=n) for n in (1, 2, 5)])) as index:
        assert index.histogram(3) == [(1, 2, 2), (3, 4, 0), (5, 5, 1)]
    with open_index(datasets, commit([])) as index:
        assert (index.figures().rows, index.histogram()) == (0, [])


def test_hostile_numbers_are_counted(datasets: Datasets, commit: Commit) -> None:
    rows = [
        row(str(n), new_tokens=value) for n, value in enumerate([1 << 40, -(1 << 40), 1 << 63, 10**30, 5])
    ]
    with open_index(datasets, commit(rows)) as index:
        assert index.figures().new_tokens == 5
        assert sum(count for _, _, count in index.histogram(10)) == 3


@pytest.mark.parametrize(("rows", "most", "taken"), [(10, 3, [0, 4, 8]), (3, 5, [0, 1, 2]), (0, 5, [])])
def test_a_sample_is_evenly_taken(
    datasets: Datasets, commit: Commit, rows: int, most: int, taken: list[int]
) -> None:
    with open_index(datasets, commit([row(str(n)) for n in range(rows)])) as index:
        assert [int(found.id) for found in index.sample(most)] == taken


def test_broken_rows_are_named_and_the_others_indexed(datasets: Datasets, commit: Commit) -> None:
    body = b"\n".join([json.dumps(row("a")).encode(), b"{", json.dumps(row("a", "again")).encode()])
    with open_index(datasets, commit(body)) as index:
        assert [found.completion for found in index.rows()] == [" Hello"]
        assert index.broken() == [
            BrokenRow(2, "outputs.jsonl:2", "not JSON"),
            BrokenRow(3, "outputs.jsonl:3", "a second row with the id 'a' and the sequence 1"),
        ]
        assert index.figures().broken == 2


def test_an_index_is_made_once_and_for_this_user_alone(
    datasets: Datasets, commit: Commit, cache: Path
) -> None:
    version = commit([row()])
    with open_index(datasets, version) as index:
        made = index.path.stat().st_ino
    datasets.store.delete([f"default/demo/data/{version.id}/outputs.jsonl"])
    with open_index(datasets, version) as index:
        assert index.path.stat().st_ino == made
        assert index.count() == 1
    assert cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + bytes(500)])
def test_a_damaged_index_is_made_anew(datasets: Datasets, commit: Commit, damage: bytes) -> None:
    version = commit([row()])
    with open_index(datasets, version) as index:
        path = index.path
    path.write_bytes(damage)
    with open_index(datasets, version) as index:
        assert index.count() == 1


def test_an_index_that_is_damaged_while_it_is_read_is_one_line(datasets: Datasets, commit: Commit) -> None:
    with open_index(datasets, commit([row(str(n), "x" * 3000) for n in range(20)])) as index:
        with index.path.open("r+b") as file:
            file.seek(5000)
            file.write(b"\xff" * 60_000)
        with pytest.raises(TextgenError, match=r"sqlite: .*; delete this file"):
            index.rows()


def test_what_nobody_has_used_for_a_month_is_removed(datasets: Datasets, commit: Commit, cache: Path) -> None:
    with open_index(datasets, commit([row()])) as index:
        old = index.path
    left = cache / ".left by a process that died"
    left.touch()
    month = time.time() - 31 * 24 * 3600
    os.utime(old, (month, month))
    with open_index(datasets, commit([row("b")])) as index:
        assert sorted(cache.iterdir()) == [index.path]


def test_damage_in_the_store_leaves_no_index(datasets: Datasets, commit: Commit, cache: Path) -> None:
    version = commit([row()])
    datasets.store.put(f"default/demo/data/{version.id}/outputs.jsonl", b'{"text": "other"}\n')
    with pytest.raises(StoreError, match="damaged in the store"), open_index(datasets, version):
        pass
    datasets.store.delete([f"default/demo/data/{version.id}/outputs.jsonl"])
    with pytest.raises(StoreError, match="deleted while it was read"), open_index(datasets, version):
        pass
    assert list(cache.iterdir()) == []


def test_a_version_without_texts_is_one_line(datasets: Datasets, make: object, cache: Path) -> None:
    version = datasets.commit_version(DatasetRef("demo"), make(), lineage={})  # type: ignore[operator]
    with (
        pytest.raises(UnknownReferenceError, match=r"demo:\w+: no texts in it \(no outputs.jsonl\)"),
        open_index(datasets, version),
    ):
        pass


def test_a_cache_that_can_not_be_written_is_one_line(
    datasets: Datasets, commit: Commit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with (
        pytest.raises(TextgenError, match="Not a directory; XDG_CACHE_HOME names another folder"),
        open_index(datasets, commit([row()])),
    ):
        pass


def test_a_full_disk_is_one_line(
    datasets: Datasets, commit: Commit, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def connect_small(*args: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count = 10")
        return connection

    version = commit([row(str(n), "x" * 3000) for n in range(20)])
    monkeypatch.setattr(sqlite3, "connect", connect_small)
    with (
        pytest.raises(TextgenError, match="database or disk is full; XDG_CACHE_HOME"),
        open_index(datasets, version),
    ):
        pass
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("order", "ids"),
    [(Order.FILE, "abcd"), (Order.LONGEST, "bcad"), (Order.SHORTEST, "acbd"), (Order.REPETITIVE, "cbad")],
)
def test_rows_are_put_in_an_order(datasets: Datasets, commit: Commit, order: Order, ids: str) -> None:
    texts = [
        row("a", "one"),
        row("b", "one two three four five six"),
        row("c", "la la la la la"),
        row("d", "", new_tokens=None),
    ]
    with open_index(datasets, commit(texts)) as index:
        assert "".join(found.id for found in index.rows(order=order)) == ids
        assert [found.id for found in index.rows(order=order, start=1, limit=2)] == list(ids[1:3])
        mean, parts = index.repetition(4)
        assert mean == pytest.approx(1 / 3)
        assert parts == [(0, 25, 1), (25, 50, 0), (50, 75, 1), (75, 100, 0)]


def test_the_rows_beside_one_are_those_of_the_filter(datasets: Datasets, commit: Commit) -> None:
    with open_index(datasets, commit(ROWS)) as index:
        assert index.neighbours(Filter(), 1) == (None, 2)
        assert index.neighbours(Filter(finish_reason="length"), 2) == (None, 3)
        assert index.neighbours(Filter(finish_reason="length"), 9) == (3, None)
        assert index.read(3) == index.rows()[2]
        assert index.read(6) is None
