"""A run.json that can't be read: one line names it, and the other runs are shown."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo.local import run_folder
from argo.local.run_folder import Project
from argo.local.volumes import remove_earlier_volumes
from argo.runs import JobRecord, Phase, RunRecord, now
from job.errors import TextgenError
from tests.local.conftest import Repository, script, workflow

RECORD = RunRecord(
    "a", "w", "w.yaml", "host", "", {"x": "1"}, now(), {"job": JobRecord(("b",))}, Phase.FAILED
)
VALUES = (
    st.just("2020-01-01")
    | st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.lists(st.none(), max_size=1)
)
DAMAGED = [b"", b"\0" * 512, b'{"name": "a"', b"null", b"[]", b"\xff", b"[" * 200_000]


@pytest.fixture
def ran(repository: Repository) -> Repository:
    repository.run(workflow(job=script("true")))
    return repository


@pytest.mark.parametrize("body", DAMAGED, ids=lambda body: repr(body[:12]))
def test_a_damaged_run_is_named_and_the_others_are_read(ran: Repository, body: bytes) -> None:
    (good,) = (ran.root / ".textgen/runs").iterdir()
    bad = shutil.copytree(good, good.with_name("bad"))
    (bad / "run.json").write_bytes(body)
    problems: list[TextgenError] = []
    assert [run.name for run in run_folder.read_all(good.parent, problems.append)] == [good.name]
    assert [str(error) for error in problems] == [f"{bad}/run.json: damaged; delete the folder {bad}"]


def test_a_damaged_run_is_a_line_and_the_list_goes_on(ran: Repository) -> None:
    (good,) = (ran.root / ".textgen/runs").iterdir()
    bad = shutil.copytree(good, good.with_name("bad"))
    (bad / "run.json").write_bytes(b"")
    listed = ran.textgen("list", "-o", "json")
    assert (listed.returncode, [run["name"] for run in json.loads(listed.stdout)]) == (0, [good.name])
    assert listed.stderr == f"textgen: {bad}/run.json: damaged; delete the folder {bad}\n"
    done = ran.textgen("get", "bad")
    assert (done.returncode, done.stderr) == (1, listed.stderr)


def test_a_record_that_is_a_folder_is_a_damaged_one(ran: Repository) -> None:
    (good,) = (ran.root / ".textgen/runs").iterdir()
    (good.with_name("bad") / "run.json").mkdir(parents=True)
    listed = ran.textgen("list")
    assert good.name in listed.stdout
    assert listed.stderr.endswith("bad/run.json: Is a directory\n")


@given(st.data())
def test_any_change_of_a_record_is_read_or_refused(data: st.DataObject) -> None:
    value = json.loads(json.dumps(RECORD.to_json()))
    place = value if data.draw(st.booleans()) else value["jobs"]["job"]
    key = data.draw(st.sampled_from(sorted(place)))
    place[key] = data.draw(VALUES)
    try:
        record = RunRecord.from_json(value)
    except (KeyError, TypeError, ValueError):
        return
    assert json.loads(json.dumps(record.to_json())) == value
    assert record.started <= now()


def test_the_note_that_keeps_git_away_is_written_whole(tmp_path: Path, disk_calls: list[str]) -> None:
    Project(tmp_path).make_folders()
    assert (tmp_path / ".textgen/.gitignore").read_text() == "*\n"
    move = disk_calls.index(f"move to {tmp_path}/.textgen/.gitignore")
    assert any(call.startswith(f"sync {tmp_path}/.textgen/.") for call in disk_calls[:move])
    assert f"sync {tmp_path}/.textgen" in disk_calls[move:]


def test_a_run_that_is_deleted_meanwhile_is_no_error(
    ran: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = run_folder.read

    def delete_and_read(folder: Path) -> RunRecord:
        shutil.rmtree(folder)
        return read(folder)

    monkeypatch.setattr(run_folder, "read", delete_and_read)
    problems: list[TextgenError] = []
    assert run_folder.read_all(ran.root / ".textgen/runs", problems.append) == []
    assert problems == []


def test_the_names_are_those_of_the_runs_that_are_left(
    ran: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    (good,) = (ran.root / ".textgen/runs").iterdir()
    monkeypatch.setattr(run_folder, "_folders", lambda runs: [runs / "deleted", good])
    assert run_folder.list_names(good.parent) == [good.name]


@pytest.fixture
def deleted_when_listed(ran: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose folder somebody deletes when it is about to be listed."""
    (folder,) = (ran.root / ".textgen/runs").iterdir()
    scandir = os.scandir

    def delete_and_scan(path: Any = ".") -> Any:
        if str(path).startswith(str(folder)) and folder.exists():
            folder.rename(ran.root / "deleted")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", delete_and_scan)
    return folder


def test_a_project_is_found_while_a_run_is_deleted(ran: Repository, deleted_when_listed: Path) -> None:
    assert Project.find(ran.root).root == ran.root
    assert not deleted_when_listed.exists()


def test_a_run_starts_while_an_earlier_one_is_deleted(
    ran: Repository, deleted_when_listed: Path, tmp_path: Path
) -> None:
    remove_earlier_volumes(deleted_when_listed.with_name("new"), tmp_path / "file.yaml")
    assert not deleted_when_listed.exists()


def test_a_record_of_an_earlier_release_has_no_branch() -> None:
    data = json.loads(json.dumps(RECORD.to_json()))
    del data["branch"]
    assert RunRecord.from_json(data).branch == ""
