"""What a job made is stored once, and strings and volumes before any dataset shows a version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from job.datasets import DatasetRef, Datasets
from job.errors import CommitError, UnknownReferenceError
from job.pod import commit, results, volume
from job.pod.results import JobResults

OUTPUTS: Mapping[str, Mapping[str, Any]] = {
    "data": {"dataset": "numbers"},
    "text": {"string": True},
    "tree": {"volume": True},
}


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets.at((tmp_path / "store").as_uri())


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    root = tmp_path / "outputs"
    (root / "data").mkdir(parents=True)
    (root / "tree").mkdir()
    (root / "data" / "one").write_text("1")
    (root / "text").write_bytes("é\n".encode())
    return root


def store(datasets: Datasets, outputs: Path) -> JobResults:
    return commit.store(datasets, "run", "job", OUTPUTS, {"run": "run"}, root=outputs)


def test_a_job_is_recorded_when_all_is_stored(datasets: Datasets, outputs: Path) -> None:
    made = store(datasets, outputs)
    assert results.read(datasets.store, "run", "job") == made
    assert made.strings == {"text": "é\n"}
    assert made.datasets == {"data": str(datasets.resolve(DatasetRef("numbers")))}


def test_a_second_attempt_gives_what_the_first_stored(datasets: Datasets, outputs: Path) -> None:
    first = store(datasets, outputs)
    (outputs / "data" / "one").write_text("changed")
    assert store(datasets, outputs) == first
    assert len(datasets.versions(DatasetRef("numbers"))) == 1


def test_an_attempt_after_a_torn_one_keeps_its_version(
    datasets: Datasets, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(results, "write", lost)
        store(datasets, outputs)
    made = store(datasets, outputs)
    assert [str(each) for each in datasets.versions(DatasetRef("numbers"))] == [made.datasets["data"]]


@pytest.mark.parametrize(
    ("text", "why"), [(None, "must write its string"), (b"\xff", "not UTF-8"), (b"x" * 300_000, "over the")]
)
def test_a_bad_string_leaves_no_version(
    datasets: Datasets, outputs: Path, text: bytes | None, why: str
) -> None:
    (outputs / "text").unlink()
    if text is not None:
        (outputs / "text").write_bytes(text)
    with pytest.raises(CommitError, match=why):
        store(datasets, outputs)
    with pytest.raises(UnknownReferenceError):
        datasets.versions(DatasetRef("numbers"))


def test_volumes_are_stored_before_datasets(
    datasets: Datasets, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CommitError("the volume can't be stored")

    monkeypatch.setattr(volume, "save", refuse)
    with pytest.raises(CommitError):
        store(datasets, outputs)
    with pytest.raises(UnknownReferenceError):
        datasets.versions(DatasetRef("numbers"))
