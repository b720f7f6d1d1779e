"""The log of a job in the store: whole, in order, and that of the newest pod."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.datasets import Datasets
from job.errors import StoreError
from job.log_lines import read_lines
from job.pod import logs
from job.pod.logs import LogWriter, list_logs, log_prefix, name_attempt, read_parts
from job.storage.store import UnavailableError


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets.at((tmp_path / "store").as_uri())


def write(datasets: Datasets, uid: str, text: str, node: str = "run-1", container: str = "main") -> LogWriter:
    prefix = log_prefix("run", "job", name_attempt(node, uid), container)
    writer = LogWriter(datasets.store, prefix)
    writer.append(text.encode())
    writer.flush()
    return writer


def read(datasets: Datasets) -> dict[tuple[str, str], list[str]]:
    return {
        (log.node_id, log.container): [line.text for line in read_lines(read_parts(datasets, log))]
        for log in list_logs(datasets, "run", "job")
    }


STEPS = st.tuples(st.lists(st.integers(1, 40), max_size=5), st.booleans(), st.booleans())


@given(st.lists(STEPS, max_size=6))
def test_a_log_is_whole_however_it_is_cut_and_resumed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[list[int], bool, bool]]
) -> None:
    datasets = Datasets.at(tmp_path_factory.mktemp("store").as_uri())
    prefix = log_prefix("run", "job", name_attempt("run-1", "uid"), "main")
    writer = LogWriter(datasets.store, prefix)
    expected: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "_PART", 50)
        for lengths, flushes, restarts in steps:
            for length in lengths:
                expected.append(f"{len(expected)} " + "x" * length)
                writer.append(f"{expected[-1]}\n".encode())
            if flushes or restarts:
                writer.flush()
            if restarts:
                writer = LogWriter(datasets.store, prefix)
                writer.resume()
        writer.flush()
    assert [line for lines in read(datasets).values() for line in lines] == expected


def test_what_could_not_be_stored_is_stored_later(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LogWriter(datasets.store, log_prefix("run", "job", "run-1.uid", "main"))
    writer.append(b"line\n")

    def fail(*_: object) -> None:
        raise UnavailableError("away")

    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr(type(datasets.store), "put", fail)
        writer.flush()
    writer.flush()
    assert read(datasets) == {("run-1", "main"): ["line"]}


def test_a_pod_made_again_for_its_node_has_a_log_of_its_own(datasets: Datasets) -> None:
    write(datasets, "b", "of the first pod\n")
    write(datasets, "a", "of the second pod\n")
    write(datasets, "a", "stored\n", container="commit")
    write(datasets, "c", "of a later attempt\n", node="run-2")
    assert read(datasets) == {
        ("run-1", "main"): ["of the second pod"],
        ("run-1", "commit"): ["stored"],
        ("run-2", "main"): ["of a later attempt"],
    }


def test_a_line_that_was_stored_in_part_comes_again(datasets: Datasets) -> None:
    first = write(datasets, "uid", "2026-11-22T18:00:00Z one\n2026-11-22T18:00:01Z tw")
    resumed = LogWriter(datasets.store, first.prefix)
    assert resumed.resume() == b"2026-11-22T18:00:00Z one\n"
    resumed.append(b"2026-11-22T18:00:01Z two\n")
    resumed.flush()
    assert read(datasets) == {("run-1", "main"): ["2026-11-22T18:00:00Z one", "2026-11-22T18:00:01Z two"]}


def test_what_is_no_log_is_not_read(datasets: Datasets) -> None:
    writer = write(datasets, "uid", "line\n")
    for stray in (".DS_Store", "run-1.uid/.DS_Store", "run-1.uid/main/.DS_Store", "run-1.uid/main/0/1"):
        datasets.store.put(f"runs/run/logs/job/{stray}", b"?")
    assert read(datasets) == {("run-1", "main"): ["line"]}
    assert LogWriter(datasets.store, writer.prefix).resume() == b"line\n"


def test_a_job_without_a_log_has_none(datasets: Datasets) -> None:
    assert read(datasets) == {}
