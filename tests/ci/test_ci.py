"""The CI of users: the action and GitLab's job, each script run by bash, on a real cluster."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.actions import Runner
from tests.cluster.kubernetes import Namespace, kubectl
from tests.git import git
from tests.gitops.repository import DATASET, FILE, Repository

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
GITHUB: dict[str, Any] = yaml.safe_load((ROOT / "ci/github.yml").read_text("utf-8"))
GITLAB: dict[str, Any] = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text("utf-8"))["generate"]
STEPS = [step["name"] for step in ACTION["runs"]["steps"]]
WORD = "$(touch pwned) `touch pwned` '\" # <b>**"
# A bare runner's, whose pip says what it was asked to install; textgen is this environment's.
PYTHON = f"""\
#!/usr/bin/env bash
[ "$1 $2" = "-m venv" ] || exec {shlex.quote(sys.executable)} "$@"
mkdir -p "$3/bin"
ln -s {shlex.quote(str(Path(sys.executable).parent / "textgen"))} "$3/bin/textgen"
printf '#!/bin/sh\\necho pip "$@"\\n' > "$3/bin/pip"
chmod +x "$3/bin/pip"
"""


def steps() -> list[dict[str, Any]]:
    jobs = [step for job in GITHUB["jobs"].values() for step in job["steps"]]
    return [*ACTION["runs"]["steps"], *jobs]


@pytest.mark.parametrize("step", [step for step in steps() if "run" in step], ids=lambda step: step["name"])
def test_no_expression_is_code(step: dict[str, Any]) -> None:
    assert "${{" not in step["run"]


def test_every_input_and_output_is_used() -> None:
    text = (ROOT / "action.yml").read_text("utf-8")
    for name in ACTION["inputs"]:
        assert f"inputs.{name} }}}}" in text
    for name, output in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", text):
        (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == name)
        assert f'echo "{output}=' in step["run"]


def test_the_workflow_gives_inputs_that_the_action_has_and_pins_what_it_uses() -> None:
    assert GITHUB["permissions"] == {"contents": "read"}
    (given,) = (step["with"] for step in steps() if "/textgen@" in step.get("uses", ""))
    assert set(given) <= set(ACTION["inputs"])
    assert all(re.fullmatch(r"[\w/-]+@v[\d.]+", step["uses"]) for step in steps() if "uses" in step)


@pytest.fixture
def repository(git_server: tuple[Path, str], tmp_path: Path) -> Repository:
    name = f"{tmp_path.name}.git"
    return Repository(tmp_path / "texts", git_server[0] / name, f"{git_server[1]}/{name}")


@pytest.fixture
def clone(repository: Repository, tmp_path: Path) -> Path:
    """What actions/checkout and GitLab's runner leave of a push: a shallow clone, on no branch."""
    commit = repository.push("seed = 7\n")
    folder = tmp_path / "clone"
    git(tmp_path, "init", "-q", str(folder))
    git(folder, "remote", "add", "origin", repository.url)
    git(folder, "fetch", "-q", "--depth=1", "origin", f"{commit}:refs/remotes/origin/main")
    git(folder, "checkout", "-q", "--detach", commit)
    (tmp_path / "cluster.yaml").write_text("scale: 1/16\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def submitter(baseline: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of an account that may do what the page has CI's do, and no more."""
    kubectl("-n", baseline.name, "apply", "-f", str(ROOT / "k8s/base/submitter.yaml"))
    kubectl("-n", baseline.name, "create", "serviceaccount", "ci")
    account = f"--serviceaccount={baseline.name}:ci"
    kubectl("-n", baseline.name, "create", "rolebinding", "ci", "--role=textgen-submitter", account)
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"][0]["user"] = {"token": kubectl("-n", baseline.name, "create", "token", "ci").strip()}
    file = tmp_path_factory.mktemp("ci") / "kubeconfig"
    file.write_text(json.dumps(config), "utf-8")
    return file


def environment(folder: Path) -> dict[str, str]:
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").write_text(PYTHON)
    (folder / "bin" / "python3").chmod(0o755)
    return {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


@pytest.mark.cluster
def test_the_action_runs_a_commit_once_and_shows_its_text(
    clone: Path, baseline: Namespace, submitter: Path, tmp_path: Path
) -> None:
    inputs = {
        "namespace": baseline.name,
        "cluster": str(tmp_path / "cluster.yaml"),
        "store": baseline.store,
        "argo-url": "https://argo.example.org/",
        "parameters": f"\nword={WORD}\n",
    }
    given = {**environment(tmp_path), "KUBECONFIG": str(submitter)}
    runner = Runner(ACTION, ROOT, clone, tmp_path, given, inputs)
    assert runner.run(*STEPS) == 0, runner.said
    run = runner.steps["submit"]["run"]
    assert f"pip install --quiet --require-hashes -r {ROOT}/requirements-trigger.lock\n" in runner.said
    assert f"## Run [{run}](https://argo.example.org/workflows/{baseline.name}/{run})" in runner.summary
    assert f"\n    {WORD}seed = 7\n" in runner.summary
    (version,) = re.findall(rf"### ({DATASET}:\w+)", runner.summary)
    name = f"{version.replace(':', '-')}.html"
    reports = runner.artifacts[f"{baseline.name}-{run}"]
    assert list(reports) == [name]
    assert f"<title>{version} · textgen</title>" in reports[name]
    assert yaml.safe_load((tmp_path / "workflow.yaml").read_text())["kind"] == "Workflow"
    assert not (clone / "pwned").exists()
    uid = baseline.get(run)["metadata"]["uid"]
    assert runner.run("Submit", "Wait") == 0
    assert runner.steps["submit"]["run"] == run
    assert baseline.get(run)["metadata"]["uid"] == uid


@pytest.mark.cluster
def test_a_failed_run_fails_the_action_and_is_shown(
    repository: Repository, clone: Path, baseline: Namespace, tmp_path: Path
) -> None:
    path = clone / FILE
    path.write_text(path.read_text().replace("cat /inputs", "cat /nowhere"))
    runner = Runner(ACTION, ROOT, clone, tmp_path, environment(tmp_path), {"namespace": baseline.name})
    runner.inputs["cluster"] = str(tmp_path / "cluster.yaml")
    assert runner.run("Install", "Submit", "Wait") == 1
    assert runner.run("Summary") == 0, runner.said
    assert "exit code 1" in runner.summary


@pytest.mark.parametrize("given", ["--help", "missing.yaml", "$(id).yaml"])
def test_a_file_that_is_not_there_is_said_by_the_first_step(given: str, tmp_path: Path) -> None:
    runner = Runner(ACTION, ROOT, tmp_path, tmp_path, environment(tmp_path), {"file": given})
    assert runner.run("Install", "Lint") == 2
    assert f"{given}:1:1: error unreadable-file" in runner.said


@pytest.mark.cluster
def test_gitlabs_job_runs_a_commit_and_ends_with_its_text(
    clone: Path, baseline: Namespace, tmp_path: Path
) -> None:
    given = {
        "CI_COMMIT_BRANCH": "tales",
        "NAMESPACE": baseline.name,
        "CLUSTER": str(tmp_path / "cluster.yaml"),
        "TEXTGEN_STORE": baseline.store,
    }
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join(GITLAB["script"])],
        cwd=clone,
        env={
            **environment(tmp_path),
            **GITLAB["variables"],
            **given,
            "CLUSTER": str(tmp_path / "cluster.yaml"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("seed = 7\n")
    assert f"{DATASET}:" in done.stdout
    workflows = json.loads(kubectl("-n", baseline.name, "get", "workflows", "-o", "json"))["items"]
    branches = [each["metadata"]["annotations"].get("textgen/branch") for each in workflows]
    assert branches.count("tales") == 1
    assert (clone / "workflow.yaml").exists()
    assert len(list(clone.glob("report-*.html"))) == 1
