"""What a job made is stored once, and strings and volumes before any dataset shows a version."""

import json
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets
from job.errors import CommitError, UnknownReferenceError
from job.pod import commit, handoff
from job.pod.outputs import DatasetOutput, Output, StringOutput, VolumeOutput
from job.pod.results import JobResults, read_results
from job.pod.spec import RUN, RUN_NAME, SPEC, StoreSpec
from job.project import STORE_VARIABLE as STORE

OUTPUTS: dict[str, Output] = {
    "data": DatasetOutput("numbers"),
    "text": StringOutput(),
    "tree": VolumeOutput(),
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
    return commit.store_outputs(datasets, "run", "job", OUTPUTS, {"run": "run"}, root=outputs)


def test_a_job_has_results_when_all_is_stored(datasets: Datasets, outputs: Path) -> None:
    results = store(datasets, outputs)
    assert read_results(datasets.store, "run", "job") == results
    assert results.strings == {"text": "é\n"}
    assert results.datasets == {"data": str(datasets.resolve(DatasetRef("numbers")))}


def test_a_job_without_an_inputs_container_is_stored(
    datasets: Datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = StoreSpec("0.1.0", "job", {})
    document = {**spec.to_json(), "version": 1}
    environ = {SPEC: json.dumps(document), STORE: datasets.store.url, RUN: "run", RUN_NAME: "run-1"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(commit, "LINEAGE", tmp_path / "lineage.json")
    handoff.command.main([], standalone_mode=False)
    assert read_results(datasets.store, "run", "job") == JobResults()


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
        patch.setattr(commit, "write_results", lost)
        store(datasets, outputs)
    results = store(datasets, outputs)
    assert [str(each) for each in datasets.versions(DatasetRef("numbers"))] == [results.datasets["data"]]


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "must write its string"), (b"\xff", "not UTF-8"), (b"x" * 300_000, "over 256 KiB")],
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


@pytest.mark.parametrize("target", ["/proc/self/environ", "/dev/zero", "data/one"])
def test_a_string_that_is_a_link_is_not_followed(datasets: Datasets, outputs: Path, target: str) -> None:
    (outputs / "text").unlink()
    (outputs / "text").symlink_to(target)
    with pytest.raises(CommitError, match="outputs/text: a link, which is not followed"):
        store(datasets, outputs)


def test_volumes_are_stored_before_datasets(
    datasets: Datasets, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CommitError("the volume can't be stored")

    monkeypatch.setattr(commit, "save_volume", refuse)
    with pytest.raises(CommitError):
        store(datasets, outputs)
    with pytest.raises(UnknownReferenceError):
        datasets.versions(DatasetRef("numbers"))


@pytest.mark.parametrize("inside", ["nothing", "a folder", "a link"])
def test_a_dataset_left_empty_has_no_version_and_its_job_succeeds(
    datasets: Datasets, outputs: Path, inside: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (outputs / "none").mkdir()
    if inside == "a folder":
        (outputs / "none" / "folder").mkdir()
    elif inside == "a link":
        (outputs / "none" / "link").symlink_to("gone")
    kinds: dict[str, Output] = {"none": DatasetOutput("none"), **OUTPUTS}
    results = commit.store_outputs(datasets, "run", "job", kinds, {}, root=outputs)
    assert results.datasets.keys() == {"data"}
    assert read_results(datasets.store, "run", "job") == results
    assert [str(each) for each in datasets.datasets()] == ["numbers"]
    warning = f"textgen: warning: no version is made: {outputs}/none: no file to commit to 'none'"
    assert warning in capsys.readouterr().out


def test_a_dataset_whose_folder_is_gone_fails_the_job(datasets: Datasets, outputs: Path) -> None:
    kinds: dict[str, Output] = {"gone": DatasetOutput("gone")}
    with pytest.raises(CommitError, match="gone"):
        commit.store_outputs(datasets, "run", "job", kinds, {}, root=outputs)
