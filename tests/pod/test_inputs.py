"""A job finds what an earlier one left, and all jobs of a run see the same versions and commits."""

import json
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from job.datasets import DatasetRef, Datasets
from job.errors import CheckoutError, CommitError, InputError, JobError, StoreError, UnknownReferenceError
from job.pod import inputs
from job.pod.inputs import StepRunner, main_script
from job.pod.results import JobResults, decide_commit, resolve_datasets, write_results
from job.pod.spec import SPEC, MainCommand
from job.pod.steps import CheckoutStep, DatasetStep, OutputStep, S3Step, Step
from job.pod.values import Variable
from job.untrusted_files import UntrustedPath
from tests.git import committed, git
from tests.hostile import swapping


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets.at((tmp_path / "store").as_uri())


def version(datasets: Datasets, folder: Path, text: str) -> str:
    """Commit one file as a version of `numbers`."""
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text(text)
    return str(datasets.commit_version(DatasetRef("numbers"), folder, lineage={}))


def runner(datasets: Datasets, *references: str) -> StepRunner:
    """The steps of a job of the run "run", whose jobs read these datasets."""
    versions = resolve_datasets(datasets, "run", references) if references else {}
    return StepRunner(datasets, "run", versions, {"PATH": "/usr/bin:/bin"})


def test_a_dataset_stays_at_its_version_for_the_whole_run(datasets: Datasets, tmp_path: Path) -> None:
    first = version(datasets, tmp_path / "from", "1")
    one = runner(datasets, "numbers")
    one.run_step(tmp_path / "one", DatasetStep("numbers"))
    version(datasets, tmp_path / "from", "2")
    runner(datasets, "numbers").run_step(tmp_path / "other", DatasetStep("numbers"))
    assert (tmp_path / "other" / "file").read_text() == "1"
    assert one.lineage["inputs"] == {"one": first}


def test_the_version_of_a_dataset_that_is_not_read_is_in_the_lineage(
    datasets: Datasets, tmp_path: Path
) -> None:
    first = version(datasets, tmp_path / "from", "1")
    one = runner(datasets, "numbers")
    one.name_version("weights", DatasetStep("numbers"))
    assert one.lineage["inputs"] == {"weights": first}


def test_a_dataset_that_does_not_exist_is_named(datasets: Datasets) -> None:
    with pytest.raises(UnknownReferenceError, match="numbers"):
        runner(datasets, "numbers")


def test_a_dataset_that_the_run_did_not_resolve_is_an_error(datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="numbers: the run's first job did not resolve it"):
        runner(datasets).run_step(tmp_path / "to", DatasetStep("numbers"))


def test_a_job_without_results_is_an_error(datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="first has left no results"):
        runner(datasets).run_step(tmp_path / "to", OutputStep("first", "data"))


def test_a_branch_is_one_commit_for_the_whole_run(datasets: Datasets, tmp_path: Path) -> None:
    code = tmp_path / "code"
    head(code, "first")
    step = CheckoutStep("clone", str(code), "main")
    runner(datasets).run_step(tmp_path / "one", step)
    head(code, "second")
    runner(datasets).run_step(tmp_path / "other", step)
    assert (tmp_path / "other" / "README.md").read_text() == "first"


def test_the_first_commit_decides_for_a_job_that_was_slower(
    datasets: Datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "code"
    decided = head(code, "first")
    head(code, "second")
    decide_commit(datasets.store, "run", "clone", decided)
    monkeypatch.setattr(inputs, "read_commit", lambda *_: None)  # not decided yet when this job looked
    runner(datasets).run_step(tmp_path / "to", CheckoutStep("clone", str(code), "main"))
    assert (tmp_path / "to" / "README.md").read_text() == "first"


def head(code: Path, text: str) -> str:
    """Commit README.md; the commit's id."""
    code.mkdir(exist_ok=True)
    (code / "README.md").write_text(text)
    return committed(code)


def test_a_start_script_gives_every_word_and_variable(tmp_path: Path) -> None:
    words = [
        "python3",
        "-c",
        "import os, sys; print(sys.argv[1:], os.environ['with-dash'])",
        "{{x}}",
        "",
        "$$",
    ]
    script = tmp_path / "main"
    script.write_text(main_script(MainCommand(tuple(words), {"with-dash": "a 'b' $(c)"})))
    done = subprocess.run(["sh", str(script)], capture_output=True, check=True, text=True)
    assert done.stdout == "['{{x}}', '', '$$'] a 'b' $(c)\n"


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared volume, as if it were mounted into this container."""
    (tmp_path / "inputs" / "shared").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 98:0 / {tmp_path}/inputs/shared rw,noatime - ext3 /dev/root rw\n")
    monkeypatch.setattr(inputs, "INPUTS", tmp_path / "inputs")
    monkeypatch.setattr(inputs, "_MOUNTS", mounts)
    return tmp_path / "inputs" / "shared"


def test_a_checkout_into_a_shared_volume_is_there_with_its_lineage(
    datasets: Datasets, tmp_path: Path, shared: Path
) -> None:
    (tmp_path / "origin").mkdir()
    (tmp_path / "origin" / "file").write_text("1")
    git(tmp_path / "origin", "init", "--quiet")
    commit = committed(tmp_path / "origin")
    one = runner(datasets)
    step = CheckoutStep("job", (tmp_path / "origin").as_uri())
    one.run_step(shared / "sub" / "code", step)
    assert (shared / "sub" / "code" / "file").read_text() == "1"
    assert one.lineage["checkouts"]["job"]["commit"] == commit


def test_a_checkout_into_a_folder_of_others_is_refused(
    datasets: Datasets, tmp_path: Path, shared: Path
) -> None:
    head(tmp_path / "origin", "text")
    (shared / "code").mkdir()
    (shared / "code" / "file").write_text("another job's")
    for _ in range(2):  # also by the pod that is made again
        with pytest.raises(CheckoutError, match="inputs/shared/code: not an empty folder"):
            runner(datasets).run_step(shared / "code", CheckoutStep("job", (tmp_path / "origin").as_uri()))
    assert [path.name for path in (shared / "code").iterdir()] == ["file"]


def test_a_pod_that_is_made_again_fills_what_the_lost_one_has_filled_in_part(
    datasets: Datasets, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = head(tmp_path / "origin", "text")
    step = CheckoutStep("job", (tmp_path / "origin").as_uri())

    def copy_in_part(_: object, target: UntrustedPath) -> None:
        (shared / "code" / ".git").mkdir(parents=True)
        (shared / "code" / ".git" / "HEAD").write_text("")
        (shared / "code" / "README.md").write_text("te")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(inputs, "copy_tree", copy_in_part)
        runner(datasets).run_step(shared / "code", step)
    head(tmp_path / "origin", "of a later push")
    for _ in range(2):
        again = runner(datasets)
        again.run_step(shared / "code", step)
        assert (shared / "code" / "README.md").read_text() == "text"
        assert again.lineage["checkouts"]["job"]["commit"] == decided
    assert git(shared / "code", "status", "--porcelain") == ""


def test_a_checkout_into_a_shared_volume_never_writes_through_a_link(
    datasets: Datasets, tmp_path: Path, shared: Path
) -> None:
    (tmp_path / "origin" / "deep").mkdir(parents=True)
    for number in range(100):
        (tmp_path / "origin" / "deep" / str(number)).write_text("code")
    git(tmp_path / "origin", "init", "--quiet")
    committed(tmp_path / "origin")
    step = CheckoutStep("job", (tmp_path / "origin").as_uri())
    (shared / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(CommitError, match="inputs/shared/link/code: a part of the path is not a folder"):
        runner(datasets).run_step(shared / "link" / "code", step)
    (shared / "code" / "deep").mkdir(parents=True)
    with swapping(shared / "code", tmp_path / "outside"):
        for _ in range(30):
            with suppress(CommitError, CheckoutError):
                runner(datasets).run_step(shared / "code", step)
            with suppress(OSError):
                shutil.rmtree(shared / "code.aside")
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"into": {"/home/textgen/.gitconfig": {"parameter": "a"}}}, "not below /inputs or /outputs"),
        ({"files": {"script": {"variable": "AWS_SECRET_ACCESS_KEY"}}}, "the variable AWS_SECRET_ACCESS_KEY"),
        ({"files": {"script": {"variable": "GIT_PASSWORD"}}}, "the variable GIT_PASSWORD"),
        ({"resolve": [{"variable": "AWS_SECRET_ACCESS_KEY"}]}, "the variable AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_a_spec_that_nobody_compiled_can_t_take_the_keys(
    spec: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SPEC, json.dumps({"version": 2, "job": "a", **spec}))
    monkeypatch.setenv("TEXTGEN_STORE", (tmp_path / "store").as_uri())
    monkeypatch.setenv("TEXTGEN_RUN", "run")
    result = CliRunner().invoke(inputs.command)
    assert isinstance(result.exception, InputError)
    assert reason in str(result.exception)


KEY, PASSWORD = Variable("AWS_SECRET_ACCESS_KEY"), Variable("GIT_PASSWORD")


@pytest.mark.parametrize(
    "step",
    [
        CheckoutStep("job", KEY),
        CheckoutStep("job", "https://localhost/x.git", KEY),
        CheckoutStep("job", "https://localhost/x.git", None, KEY, "x"),
        CheckoutStep("job", "https://localhost/x.git", None, "x", KEY),
        CheckoutStep("job", PASSWORD),
        DatasetStep(KEY),
        S3Step("s3://bucket/x", None, "http://localhost:1", PASSWORD, "x"),
        S3Step("s3://bucket/x", None, "http://localhost:1", "x", KEY),
    ],
)
def test_a_step_sends_the_keys_to_no_server(step: Step, datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is for something else"):
        runner(datasets).run_step(tmp_path / "to", step)


def test_an_output_that_was_left_empty_is_named_to_the_job_that_reads_it(
    datasets: Datasets, tmp_path: Path
) -> None:
    write_results(datasets.store, "run", "make", JobResults())
    with pytest.raises(
        JobError, match="the job 'make' left its output 'model' empty, so there is no version"
    ):
        runner(datasets).run_step(tmp_path / "model", OutputStep("make", "model"))
