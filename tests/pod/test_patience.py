"""A store that is away for a while costs a job time, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from job.datasets import DatasetRef, Datasets
from job.errors import StoreError
from job.pod import commit, results
from job.pod.inputs import Pod, make
from job.pod.retry import patiently
from job.storage.store import UnavailableError
from tests.git import committed


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses; the clock goes on by them alone."""
    pauses: list[float] = []
    monkeypatch.setattr("job.pod.retry.sleep", pauses.append)
    monkeypatch.setattr("job.pod.retry.monotonic", lambda: sum(pauses))
    return pauses


def away(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, times: int) -> None:
    """Have the store not answer to the first calls of a function."""
    whole, calls = getattr(where, name), iter(range(times))

    def function(*given: Any, **named: Any) -> Any:
        if next(calls, None) is not None:
            raise UnavailableError("the store is away")
        return whole(*given, **named)

    monkeypatch.setattr(where, name, function)


def test_a_commit_waits_and_makes_one_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets = Datasets.at((tmp_path / "store").as_uri())
    (tmp_path / "outputs" / "data").mkdir(parents=True)
    (tmp_path / "outputs" / "data" / "file").write_text("text")
    away(monkeypatch, results, "write", 3)
    outputs = {"data": {"dataset": "numbers"}}
    done = patiently(lambda: commit.store(datasets, "run", "job", outputs, {}, root=tmp_path / "outputs"))
    assert [str(version) for version in datasets.versions(DatasetRef("numbers"))] == [done.datasets["data"]]
    assert capsys.readouterr().err.count(" s: the store is away\n") == 3


def test_after_five_minutes_it_gives_up_and_other_errors_are_raised_at_once(waited: list[float]) -> None:
    def gone() -> None:
        raise UnavailableError("the store is away")

    def refused() -> None:
        raise StoreError("no right to write")

    with pytest.raises(UnavailableError, match="away"):
        patiently(gone)
    assert 280 < sum(waited) <= 300
    waited.clear()
    with pytest.raises(StoreError, match="no right"):
        patiently(refused)
    assert not waited


def test_a_checkout_starts_again_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("text")
    committed(work)
    away(monkeypatch, results, "decide", 2)
    pod = Pod(Datasets.at((tmp_path / "store").as_uri()), "run", (), {"PATH": "/usr/bin:/bin"})
    step = {"checkout": {"job": "clone", "url": work.as_uri()}}
    patiently(lambda: make(pod, tmp_path / "inputs" / "repo", step))
    assert (tmp_path / "inputs" / "repo" / "file").read_text() == "text"
