"""A store that is away for a while costs a job time, and nothing else."""

import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from job.datasets import DatasetRef, Datasets
from job.errors import StoreError
from job.pod import commit, inputs
from job.pod.inputs import StepRunner
from job.pod.outputs import DatasetOutput
from job.pod.steps import CheckoutStep
from job.pod.store_outage import retry_while_unavailable
from job.storage.store import UnavailableError
from tests.git import committed


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each pause; the clock moves by them alone."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(pauses))
    return pauses


def make_unavailable(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, times: int) -> None:
    """Have the store not answer to the first calls of a function."""
    function, failures = getattr(module, name), iter(range(times))

    def fail_at_first(*args: Any, **kwargs: Any) -> Any:
        if next(failures, None) is not None:
            raise UnavailableError("the store is away")
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, fail_at_first)


def test_a_commit_waits_and_makes_one_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets = Datasets.at((tmp_path / "store").as_uri())
    (tmp_path / "outputs" / "data").mkdir(parents=True)
    (tmp_path / "outputs" / "data" / "file").write_text("text")
    make_unavailable(monkeypatch, commit, "write_results", 3)
    outputs = {"data": DatasetOutput("numbers")}
    root = tmp_path / "outputs"
    results = retry_while_unavailable(
        lambda: commit.store_outputs(datasets, "run", "job", outputs, {}, root=root)
    )
    assert [str(version) for version in datasets.versions(DatasetRef("numbers"))] == [
        results.datasets["data"]
    ]
    assert capsys.readouterr().err.splitlines() == [
        f"waiting {seconds} s: the store is away" for seconds in (1, 2, 4)
    ]


def test_after_five_minutes_it_gives_up_and_other_errors_are_raised_at_once(pauses: list[float]) -> None:
    def fail() -> None:
        raise UnavailableError("the store is away")

    def refuse() -> None:
        raise StoreError("no right to write")

    with pytest.raises(UnavailableError, match="away"):
        retry_while_unavailable(fail)
    assert 280 < sum(pauses) <= 300
    pauses.clear()
    with pytest.raises(StoreError, match="no right"):
        retry_while_unavailable(refuse)
    assert not pauses


def test_a_checkout_starts_again_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("text")
    committed(work)
    make_unavailable(monkeypatch, inputs, "decide_commit", 2)
    datasets = Datasets.at((tmp_path / "store").as_uri())
    runner = StepRunner(datasets, "run", {}, {"PATH": "/usr/bin:/bin"})
    step = CheckoutStep("clone", work.as_uri())
    retry_while_unavailable(lambda: runner.run_step(tmp_path / "inputs" / "repo", step))
    assert (tmp_path / "inputs" / "repo" / "file").read_text() == "text"
