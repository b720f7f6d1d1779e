"""`textgen stop` and `textgen retry` of runs of this machine."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo.local import run_folder
from argo.local.saved_plan import SavedPlan
from argo.repository import CodeVersion, MissingFiles
from argo.runs import Phase
from job.datasets import DatasetRef
from job.errors import TextgenError
from tests.local.conftest import Repository, script, workflow
from tests.local.test_code_version import CLONE
from tests.local.test_interruption import LONG, eventually, mark, processes, started

__all__ = ["mark", "started"]

FILE = ".gradient/workflows/work.yaml"
# `ends` fails until the machine has the file /storage/mended; each job counts its starts.
TEXT = (
    workflow(
        clone=CLONE,
        makes=script(
            """
        echo x >> /storage/makes; echo volume > /outputs/v/x; printf string > /outputs/s
        ls /inputs/repo > /outputs/d/x
        """,
            needs="[clone]",
            inputs="{repo: clone.outputs.repo}",
            outputs="{v: {type: volume}, s: {type: string}, d: {type: dataset, with: {ref: made}}}",
        ),
        ends=script(
            """
        echo x >> /storage/ends; cat /inputs/v/x /inputs/s /inputs/d/x /inputs/given; cat /inputs/base/x
        test -e /storage/mended || { echo partial > /outputs/out/partial; exit 3; }
        echo "$SECRET" > /outputs/out/x; cp /inputs/repo/file /outputs/out/file
        """,
            needs="[makes, clone]",
            env="{SECRET: 'secret:token'}",
            inputs="{repo: clone.outputs.repo, v: makes.outputs.v, s: makes.outputs.s, d: makes.outputs.d, "
            "given: workflow.inputs.given, base: {type: dataset, with: {ref: base}}}",
            outputs="{out: {type: dataset, with: {ref: ended}}}",
        ),
        last=script("echo last", needs="[ends]"),
        beside=script("echo x >> /storage/beside"),
    )
    + "inputs: {given: {type: string, with: {value: default}}}\n"
)


@pytest.fixture
def failed(repository: Repository, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a run of TEXT in the repository, whose job `ends` has failed."""
    monkeypatch.setenv("token", "hush hush")
    repository.write("file", "as it was")
    (repository.root / ".textgen").mkdir()
    repository.datasets.commit_version(DatasetRef("base"), make({"x": "first"}), lineage={})
    return repository.run(TEXT, parameters={"given": "a value"}, env=["token"]).record.name


def phases(repository: Repository, name: str) -> dict[str, str]:
    record = run_folder.read(repository.root / ".textgen/runs" / name)
    return {job: str(each.phase) for job, each in record.jobs.items()}


def starts(repository: Repository, job: str) -> int:
    return (repository.root / ".textgen/storage" / job).read_text().count("x")


def test_a_retry_runs_what_failed_with_the_same_code_inputs_and_results(
    repository: Repository, failed: str, make: Callable[..., Path]
) -> None:
    made = repository.manifest("made").version
    repository.write(".textgen/storage/mended", "")
    repository.write("file", "edited since")
    repository.write(FILE, "jobs: {}\n")
    base = repository.datasets.resolve(DatasetRef("base"))
    repository.datasets.commit_version(DatasetRef("base"), make({"x": "second"}), lineage={})
    done = repository.textgen("retry", "--env=token", failed)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(phases(repository, failed).values()) == {"Succeeded"}
    assert [starts(repository, job) for job in ("makes", "ends", "beside")] == [1, 2, 1]
    assert repository.files("ended") == {"x": "hush hush\n", "file": "as it was"}
    log = (repository.root / ".textgen/runs" / failed / "jobs/ends/log").read_text()
    assert log.splitlines() == ["volume", "stringfile", "a value" + "first"]
    lineage = repository.manifest("ended").lineage
    assert lineage["run"] == failed
    assert lineage["parameters"] == {"given": "a value"}
    assert lineage["inputs"] == {"d": f"made:{made}", "base": str(base)}
    code, made_code = lineage["repository"], repository.manifest("made").lineage["repository"]
    assert code == made_code
    assert not list(repository.root.glob(".textgen/runs/*/jobs/*/outputs"))
    assert not list(repository.root.glob(".textgen/runs/*/source"))


def test_a_retry_that_fails_can_be_retried(repository: Repository, failed: str) -> None:
    for number in (2, 3):
        done = repository.textgen("retry", "--env=token", failed)
        assert done.returncode == 1
        assert "ends: exit status 3" in done.stdout
        assert starts(repository, "ends") == number
    assert phases(repository, failed)["last"] == "Omitted"


def test_a_retry_needs_the_variables_again_that_were_named(repository: Repository, failed: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "token"}
    words = [sys.executable, "-m", "argo", "retry", failed]
    for more, message in (
        ((), f"{failed} was run with --env token: give it again"),
        (("--env=token",), "secret:token, which is not set"),
    ):
        done = subprocess.run(
            [*words, *more], cwd=repository.root, env=env, capture_output=True, text=True, check=False
        )
        assert (done.returncode, starts(repository, "ends")) == (2, 1)
        assert message in done.stderr


@pytest.mark.usefixtures("failed")
def test_a_retry_needs_the_file_of_secrets_again_and_no_variable_does(
    repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "secrets").write_text("token=from a file")
    failed = repository.run(TEXT, parameters={"given": "a value"}, secrets=tmp_path / "secrets").record.name
    done = repository.textgen("retry", failed, env={"token": "of the environment"})
    assert done.returncode == 2
    assert "secret:token, which is not set" in done.stderr
    assert phases(repository, failed)["ends"] == "Failed"
    repository.write(".textgen/storage/mended", "")
    assert repository.textgen("retry", failed, f"--secrets={tmp_path}/secrets").returncode == 0
    assert repository.files("ended")["x"] == "from a file\n"


def test_only_what_a_retry_needs_is_kept_and_only_until_the_workflow_runs_anew(
    repository: Repository, failed: str
) -> None:
    folder = repository.root / ".textgen/runs" / failed
    kept = {str(path.relative_to(folder)) for path in folder.glob("jobs/*/outputs/*")}
    assert kept == {"jobs/clone/outputs/repo", "jobs/makes/outputs/v", "jobs/makes/outputs/s"}
    assert not (folder / "source").exists()
    assert repository.run(TEXT, env=["token"]).phases()["ends"] == "Failed"
    assert not list(folder.glob("jobs/*/outputs"))
    done = repository.textgen("retry", "--env=token", failed)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "is gone, and a job that did not succeed needs it; run the file again: textgen run" in done.stderr
    assert phases(repository, failed)["ends"] == "Failed"


@pytest.mark.parametrize("body", [None, b"", b"[]", b"{}", b'{"code": 1}', b'{"code": {}}', b"\xff"])
def test_a_plan_that_can_not_be_read_is_one_line(tmp_path: Path, body: bytes | None) -> None:
    if body is not None:
        (tmp_path / "plan.json").write_bytes(body)
    with pytest.raises(
        TextgenError, match=rf"plan\.json: .*, so {tmp_path.name} can't be retried; run its file"
    ):
        SavedPlan.read(tmp_path)


@given(st.data())
def test_any_change_of_a_plan_is_read_or_is_one_line(data: st.DataObject) -> None:
    code = CodeVersion("file:///x", None, "", 1, MissingFiles(1, ("sub",), 2))
    versions = {DatasetRef("a"): DatasetRef("a", "b")}
    plan = SavedPlan(Path("/x.yaml"), "jobs: {}", None, ("A",), 3, "file:///store", versions, code)
    with tempfile.TemporaryDirectory() as name:
        folder, file = Path(name), Path(name, "plan.json")
        plan.write(folder)
        assert SavedPlan.read(folder) == plan
        value = json.loads(file.read_text())
        key = data.draw(st.sampled_from(sorted(value)))
        value[key] = data.draw(st.none() | st.booleans() | st.integers() | st.lists(st.none(), max_size=1))
        file.write_text(json.dumps(value))
        try:
            changed = SavedPlan.read(folder)
        except TextgenError as error:
            assert "can't be retried; run its file again" in str(error)
        else:
            assert isinstance(changed.text, str)


def test_what_a_deleted_version_of_the_run_was_is_named(repository: Repository, failed: str) -> None:
    version = str(repository.datasets.resolve(DatasetRef("made")))
    assert repository.textgen("dataset", "delete", version).returncode == 0
    done = repository.textgen("retry", "--env=token", failed)
    assert (done.returncode, version in done.stderr) == (2, True)
    assert phases(repository, failed)["ends"] == "Failed"


def test_a_shared_volume_is_kept_as_it_was_left(repository: Repository) -> None:
    volume = "{work: {type: volume}}"
    fill = script("echo 1 > /inputs/work/x", inputs=volume)
    read = script("cat /inputs/work/x; test -e /storage/mended", needs="[fill]", inputs=volume)
    outcome = repository.run(workflow(fill=fill, read=read))
    repository.write(".textgen/storage/mended", "")
    done = repository.textgen("retry", outcome.record.name)
    assert done.returncode == 0, done.stderr
    assert not (outcome.folder / "volumes").exists()


def test_a_retry_knows_what_a_checkout_that_succeeded_fetched(
    repository: Repository,
    make_repository: Callable[[str], Repository],
    serve: Callable[[Repository], str],
) -> None:
    other = make_repository("other")
    other.write("file", "x")
    commit = other.commit()
    url = serve(other)
    event = "context.event.github.url, ref: context.event.github.ref"
    reads = script(
        "test -e /storage/mended && cp /inputs/repo/file /outputs/d/file",
        needs="[clone]",
        inputs="{repo: clone.outputs.repo}",
        outputs="{d: {type: dataset, with: {ref: d}}}",
    )
    outcome = repository.run(workflow(clone=CLONE.replace(event, url), reads=reads))
    repository.write(".textgen/storage/mended", "")
    file = outcome.folder / "jobs/clone/checkout.json"
    body = file.read_bytes()
    file.write_bytes(b"")
    done = repository.textgen("retry", outcome.record.name)
    assert (done.returncode, done.stderr) == (1, f"textgen: {file}: damaged\n")
    file.write_bytes(body)
    assert repository.textgen("retry", outcome.record.name).returncode == 0
    checkouts = repository.manifest("d").lineage["checkouts"]
    assert checkouts == {"clone": {"repository": url, "commit": commit}}


def test_a_run_that_succeeded_or_is_not_there_is_not_retried(repository: Repository) -> None:
    name = repository.run(workflow(job=script("true"))).record.name
    done = repository.textgen("retry", name)
    assert (done.returncode, done.stderr) == (
        2,
        f"textgen: {name} is Succeeded: only a run that has failed can be retried\n",
    )
    assert "no run 'nothing'" in repository.textgen("retry", "nothing").stderr


def test_stop_ends_a_run_of_another_process(
    repository: Repository, started: "subprocess.Popen[str]", mark: str
) -> None:
    (name,) = (folder.name for folder in (repository.root / ".textgen/runs").iterdir())
    running = repository.textgen("retry", name)
    assert running.stderr == f"textgen: {name} is Running: only a run that has failed can be retried\n"
    stopped = repository.textgen("stop", name)
    assert (stopped.returncode, stopped.stdout) == (0, f"{name}: stopped\n")
    assert not processes(mark)
    _, err = started.communicate(timeout=LONG)
    hint = f"to run the jobs that are left: textgen retry {name}"
    end = "textgen: stopped; jobs that had not finished made no version"
    assert (started.returncode, err.splitlines()[-2:]) == (1, [hint, end])
    record = run_folder.read(repository.root / ".textgen/runs" / name)
    assert (record.phase, record.message) == (Phase.FAILED, "stopped")
    assert phases(repository, name) == {"slow": "Failed", "after": "Omitted"}
    again = repository.textgen("stop", name)
    assert (again.returncode, again.stderr) == (2, f"textgen: {name} has ended already: Failed\n")


def test_a_stopped_run_is_retried_to_its_end(
    repository: Repository, started: "subprocess.Popen[str]", mark: str
) -> None:
    (folder,) = (repository.root / ".textgen/runs").iterdir()
    repository.textgen("stop", folder.name)
    started.communicate(timeout=LONG)
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(
        json.dumps({**plan, "text": plan["text"].replace("sleep 300", "sleep 0")})
    )
    assert repository.textgen("retry", folder.name).returncode == 0
    assert set(phases(repository, folder.name).values()) == {"Succeeded"}


def test_a_killed_run_is_retried(repository: Repository, tmp_path: Path) -> None:
    wait = script(
        "cat /inputs/v/x; touch /storage/waits; test -e /storage/mended || sleep 300",
        needs="[makes]",
        inputs="{v: makes.outputs.v}",
    )
    makes = script("echo x >> /storage/makes; echo kept > /outputs/v/x", outputs="{v: {type: volume}}")
    repository.write(FILE, workflow(makes=makes, waits=wait))
    words = [sys.executable, "-m", "argo", "run", FILE]
    with subprocess.Popen(words, cwd=repository.root, stdout=subprocess.DEVNULL) as run:
        eventually((repository.root / ".textgen/storage/waits").exists)
        run.kill()
    (folder,) = (repository.root / ".textgen/runs").iterdir()
    repository.write(".textgen/storage/mended", "")
    done = repository.textgen("retry", folder.name)
    assert (done.returncode, starts(repository, "makes")) == (0, 1), done.stderr
    assert "waits | kept" in done.stdout


def test_what_a_run_left_when_the_machine_went_down_is_not_trusted(
    repository: Repository, failed: str
) -> None:
    folder = repository.root / ".textgen/runs" / failed
    record = json.loads((folder / "run.json").read_text())
    died = {**record, "phase": "Running", "finished": None, "started": "2001-01-01T00:00:00+00:00"}
    (folder / "run.json").write_text(json.dumps(died))
    done = repository.textgen("retry", "--env=token", failed)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert (
        "this machine went down while it ran, so its files may be damaged; run the file again" in done.stderr
    )
