"""The overlay that polls fits the command, the images and the secrets that it names."""

import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo.cli.trigger import poll
from argo.compile.environment import GIT_FOLDER, GIT_SSH_COMMAND
from argo.kubernetes_names import GIT, STORE
from argo.trigger.commit_status import API
from argo.trigger.git_hosts import TOKEN
from job.checkout.git import PASSWORD, USERNAME

ROOT = Path(__file__).parents[2]
OVERLAY = ROOT / "k8s/overlays/trigger"


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    """What kubectl makes of the overlay, by kind."""
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl on PATH, whose kustomize puts an overlay together")
    words = ["kubectl", "kustomize", str(OVERLAY)]
    rendered = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    return {each["kind"]: each for each in yaml.safe_load_all(rendered.stdout)}


def test_the_cron_workflow_runs_what_the_template_says(objects: dict[str, dict[str, Any]]) -> None:
    template, cron = objects["WorkflowTemplate"], objects["CronWorkflow"]
    assert cron["spec"]["workflowSpec"] == template["spec"]
    assert template["metadata"]["name"] == "textgen-trigger"  # which webhooks refer to


def test_the_manifest_sets_the_variables_that_the_command_reads(objects: dict[str, dict[str, Any]]) -> None:
    container = objects["WorkflowTemplate"]["spec"]["templates"][0]["container"]
    assert container["image"] == f"textgen-trigger:{version('argo-textgen')}"
    assert container["command"][:5] == ["python3", "-m", "argo", "trigger", "poll"]
    options = {name for each in poll.params for name in each.opts}
    assert {word for word in container["command"] if word.startswith("--")} <= options
    variables = {str(each.envvar) for each in poll.params if each.envvar}
    assert {USERNAME, PASSWORD, TOKEN, API, *variables} <= {each["name"] for each in container["env"]}
    ssh = next(each["value"] for each in container["env"] if each["name"] == "GIT_SSH_COMMAND")
    assert ssh == GIT_SSH_COMMAND
    assert GIT_FOLDER in [each["mountPath"] for each in container["volumeMounts"]]


def test_the_poller_needs_no_secret_and_has_no_right_to_read_one(objects: dict[str, dict[str, Any]]) -> None:
    text = yaml.safe_dump(objects["WorkflowTemplate"])
    names = set(re.findall(r"secretName: (\S+)", text))
    for each in objects["WorkflowTemplate"]["spec"]["templates"][0]["container"]["env"]:
        if wanted := each.get("valueFrom", {}).get("secretKeyRef"):
            assert wanted["optional"]
            names.add(wanted["name"])
    assert names == {GIT, STORE, "textgen-status"}
    for rule in objects["Role"]["rules"]:
        assert "secrets" not in rule["resources"]
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]


def test_argos_own_containers_are_as_restricted_as_a_jobs(objects: dict[str, dict[str, Any]]) -> None:
    spec = objects["WorkflowTemplate"]["spec"]
    patch = yaml.safe_load(spec["podSpecPatch"])
    restricted = spec["templates"][0]["container"]["securityContext"]
    for each in (*patch["initContainers"], *patch["containers"]):
        assert each["securityContext"].items() <= restricted.items()
    assert spec["securityContext"]["runAsNonRoot"]
