"""A job finds what an earlier one left, and all jobs of a run see the same versions and commits."""

import base64
import subprocess
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets
from job.errors import InputError, StoreError, UnknownReferenceError
from job.pod import inputs, results
from job.pod.inputs import Pod, make
from job.pod.spec import told, value
from tests.git import committed


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets.at((tmp_path / "store").as_uri())


def version(datasets: Datasets, folder: Path, text: str) -> str:
    """Commit one file as a version of `numbers`."""
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text(text)
    return str(datasets.commit_version(DatasetRef("numbers"), folder, lineage={}))


def pod(datasets: Datasets, **parameters: str) -> Pod:
    environ = {f"PARAMETER_{name}": base64.b64encode(v.encode()).decode() for name, v in parameters.items()}
    return Pod(datasets, "run", ("numbers",), {"PATH": "/usr/bin:/bin", "SECRET_A": "a", **environ})


def test_a_dataset_stays_at_its_version_for_the_whole_run(datasets: Datasets, tmp_path: Path) -> None:
    first = version(datasets, tmp_path / "from", "1")
    one = pod(datasets)
    make(one, tmp_path / "one", {"dataset": "numbers"})
    version(datasets, tmp_path / "from", "2")
    other = pod(datasets)
    make(other, tmp_path / "other", {"dataset": "numbers"})
    assert (tmp_path / "other" / "file").read_text() == "1"
    assert one.lineage["inputs"] == {"one": first}


def test_a_dataset_that_is_not_there_is_said_by_its_name(datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(UnknownReferenceError, match="numbers"):
        make(pod(datasets), tmp_path / "to", {"dataset": "numbers"})


def test_a_job_without_a_record_is_an_error(datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="first has left no record"):
        make(pod(datasets), tmp_path / "to", {"output": ["first", "data"]})


def test_a_branch_is_one_commit_for_the_whole_run(datasets: Datasets, tmp_path: Path) -> None:
    code = tmp_path / "code"
    head(code, "first")
    step = {"checkout": {"job": "clone", "url": str(code), "ref": "main"}}
    make(pod(datasets), tmp_path / "one", step)
    head(code, "second")
    make(pod(datasets), tmp_path / "other", step)
    assert (tmp_path / "other" / "README.md").read_text() == "first"


def test_the_first_commit_decides_for_a_job_that_was_slower(
    datasets: Datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "code"
    decided = head(code, "first")
    head(code, "second")
    results.decide(datasets.store, "run", "clone", decided)
    monkeypatch.setattr(results, "commit", lambda *_: None)  # it was not there yet when this job looked
    make(pod(datasets), tmp_path / "to", {"checkout": {"job": "clone", "url": str(code), "ref": "main"}})
    assert (tmp_path / "to" / "README.md").read_text() == "first"


def head(code: Path, text: str) -> str:
    """Commit README.md; the commit's id."""
    code.mkdir(exist_ok=True)
    (code / "README.md").write_text(text)
    return committed(code)


def test_values_come_from_texts_parameters_and_the_environment(datasets: Datasets) -> None:
    environ = pod(datasets, given="{{é}}", empty="").environ
    assert value("text", environ) == "text"
    assert value(None, environ) == ""
    assert value({"variable": "SECRET_A"}, environ) == "a"
    assert value({"parameter": "given"}, environ) == "{{é}}"
    assert value({"parameter": "empty", "default": "{{own}}"}, environ) == "{{own}}"


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
    script.write_text(inputs._start({"with-dash": "a 'b' $(c)"}, words, share=False))
    found = subprocess.run(["sh", str(script)], capture_output=True, check=True, text=True)
    assert found.stdout == "['{{x}}', '', '$$'] a 'b' $(c)\n"


def test_without_steps_it_says_who_makes_them() -> None:
    with pytest.raises(InputError, match="textgen compile"):
        told({})
