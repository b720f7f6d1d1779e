"""`textgen run`, `list`, `get` and `logs`, as they are typed."""

import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.local.conftest import Repository, script, workflow

FILE = ".gradient/workflows/work.yaml"
TEXT = workflow(
    hello=script(
        r"echo from the job; printf '\033[2Jtext\n' > /outputs/d/outputs.txt",
        outputs="{d: {type: dataset, with: {ref: demo}}}",
    ),
    two=script("echo second"),
)


@pytest.fixture
def ran(repository: Repository) -> Repository:
    repository.run(TEXT)
    return repository


def test_a_run_ends_with_its_version_where_it_lies_and_its_text(repository: Repository) -> None:
    repository.write(FILE, TEXT)
    done = repository.textgen("run", FILE)
    assert (done.returncode, done.stderr) == (0, "")
    version = f"demo:{repository.manifest('demo').version}"
    assert "hello | from the job" in done.stdout
    end = done.stdout.split("Succeeded in ")[1]
    assert f"textgen dataset get {version} FOLDER" in end
    assert f"in       .textgen/datasets/default/demo/data/{version.partition(':')[2]}" in end
    assert end.endswith("\n\n�[2Jtext\n")
    assert repository.textgen("dataset", "files", version).stdout.count("outputs.txt") == 1


def test_a_run_of_another_folder_prints_commands_that_can_be_typed_here(
    make_repository: Callable[[str], Repository],
) -> None:
    here, there = make_repository("here"), make_repository("there it is")
    there.write(FILE, TEXT + workflow(bad=script("exit 1")).removeprefix("jobs:\n"))
    done = here.textgen("run", f"../{there.root.name}/{FILE}")
    assert (done.returncode, done.stderr) == (1, "")
    commands = [
        line.strip().partition(" ")[2].strip() for line in done.stdout.splitlines() if " textgen " in line
    ]
    assert [command.split("textgen ")[1].split()[0] for command in commands] == [
        "logs",
        "retry",
        "dataset",
        "dataset",
    ]
    for command in commands:
        assert command.startswith("cd '../there it is' && textgen ")
        typed = command.replace("textgen", f"{sys.executable} -m argo")
        shell = subprocess.run(
            ["sh", "-c", typed], cwd=here.root, capture_output=True, text=True, check=False
        )
        assert shell.stderr == ""
    assert not (here.root / ".textgen").exists()


def test_a_failed_run_exits_with_1_and_names_its_logs(repository: Repository) -> None:
    repository.write(FILE, workflow(job=script("exit 5")))
    done = repository.textgen("run", FILE)
    assert done.returncode == 1
    assert "Failed in" in done.stdout
    assert "job: exit status 5" in done.stdout
    assert "textgen logs work-" in done.stdout
    assert "textgen retry work-" in done.stdout


def test_quiet_prints_the_name_and_json_the_record(repository: Repository) -> None:
    repository.write(FILE, TEXT)
    name = repository.textgen("run", FILE, "--quiet").stdout.strip()
    record = json.loads(repository.textgen("run", FILE, "-o", "json").stdout)
    assert name.startswith("work-")
    assert record["jobs"]["hello"]["outputs"].keys() == {"d"}
    shown = json.loads(repository.textgen("get", record["name"], "-o", "json").stdout)
    assert shown == record
    listed = json.loads(repository.textgen("list", "-o", "json").stdout)
    assert [run["name"] for run in listed] == [record["name"], name]


def test_list_and_get_are_tables_as_kubectls(ran: Repository) -> None:
    head, row = ran.textgen("list").stdout.splitlines()
    assert head.split() == ["NAME", "STATUS", "AGE", "DURATION", "JOBS"]
    assert row.split()[1] == "Succeeded"
    shown = ran.textgen("get", row.split()[0]).stdout
    assert "JOB     STATUS" in shown
    assert "d=demo:" in shown


def test_get_shows_when_each_job_waited_and_what_it_did(ran: Repository) -> None:
    name = ran.textgen("list").stdout.splitlines()[1].split()[0]
    jobs = json.loads(ran.textgen("get", name, "-o", "json").stdout)["jobs"]
    assert [step["name"] for step in jobs["hello"]["steps"]] == ["main", "commit"]
    times = [step[key] for step in jobs["hello"]["steps"] for key in ("started", "finished")]
    assert times == sorted(times)
    shown = ran.textgen("get", name, env={"LC_ALL": "C.UTF-8"}).stdout
    assert re.search(r"\nhello +[░ ]*█+ *▓+\n", shown)
    assert "█ main  ▓ commit\n" in shown


def test_a_step_that_fails_ends(repository: Repository) -> None:
    (job,) = repository.run(workflow(job=script("exit 5"))).record.jobs.values()
    assert [(step.name, step.finished is not None) for step in job.steps] == [("main", True)]


def test_logs_are_of_a_run_or_of_one_job(ran: Repository) -> None:
    name = ran.textgen("list").stdout.splitlines()[1].split()[0]
    assert ran.textgen("logs", name, "-f").stdout == "hello | from the job\ntwo | second\n"
    assert ran.textgen("logs", name, "two").stdout == "second\n"
    wrong = ran.textgen("logs", name, "three")
    assert (wrong.returncode, wrong.stderr) == (2, f"textgen: {name}: no job 'three'; it has hello, two\n")
    assert "did you mean" in ran.textgen("get", name + "x").stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-p", "seed"), "write -p NAME=VALUE"),
        (("-p", "seed=1"), "no input 'seed'"),
        (("--ref", "nowhere"), "no such branch"),
        (("--secrets", "nowhere"), "can't read the secrets"),
        (("--runtime", "podman"), "podman is not installed"),
    ],
)
def test_what_is_typed_wrong_is_one_line_and_no_run(
    repository: Repository, words: tuple[str, ...], message: str
) -> None:
    repository.write(FILE, TEXT)
    done = repository.textgen("run", FILE, *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr
    assert not (repository.root / ".textgen").exists()
