"""A Workflow of Argo reads as a run."""

import base64
import copy
import gzip
import json
from typing import Any

import pytest

from argo.cluster.follow_run import RunSnapshot
from argo.cluster.workflow_nodes import get_nodes
from argo.cluster.workflow_status import build_run_record
from argo.runs import Phase


def find_job_node(workflow: Any, job: str) -> Any:
    return next(node for node in workflow["status"]["nodes"].values() if node["displayName"] == job)


def test_the_record_has_the_jobs_with_their_phases_and_versions(failed_workflow: Any) -> None:
    record = build_run_record(failed_workflow)
    assert record.phase is Phase.FAILED
    assert [(name, job.needs, job.phase) for name, job in record.jobs.items()] == [
        ("get_ready", (), Phase.SUCCEEDED),
        ("fails", ("get_ready",), Phase.FAILED),
        ("after", ("fails",), Phase.OMITTED),
    ]
    assert record.jobs["get_ready"].outputs["result"].startswith("ready:")
    assert record.jobs["fails"].message == "main: Error (exit code 7)"
    assert record.runtime == "argo:base"


def test_a_run_without_a_status_is_pending(failed_workflow: Any) -> None:
    del failed_workflow["status"]
    record = build_run_record(failed_workflow)
    assert record.phase is Phase.PENDING
    assert {job.phase for job in record.jobs.values()} == {Phase.PENDING}
    assert record.started.tzinfo


def test_the_compressed_nodes_of_a_large_workflow_are_read(failed_workflow: Any) -> None:
    large = copy.deepcopy(failed_workflow)
    nodes = json.dumps(large["status"].pop("nodes")).encode()
    large["status"]["compressedNodes"] = base64.b64encode(gzip.compress(nodes)).decode()
    assert get_nodes(large) == get_nodes(failed_workflow)


def test_the_message_of_the_pod_comes_before_those_of_its_containers(failed_workflow: Any) -> None:
    message = "Pod ephemeral local storage usage exceeds the total limit of containers 60Mi. "
    pod = find_job_node(failed_workflow, "fails")["children"][0]
    failed_workflow["status"]["nodes"][pod]["message"] = message
    assert build_run_record(failed_workflow).jobs["fails"].message == message.strip()


def test_a_signal_is_named(failed_workflow: Any) -> None:
    nodes = failed_workflow["status"]["nodes"].values()
    container = next(node for node in nodes if node["displayName"] == "main" and node["phase"] == "Failed")
    container["message"] = "main: Error (exit code 137): "
    message = build_run_record(failed_workflow).jobs["fails"].message
    assert message == "main: killed by SIGKILL (exit code 137)"


def test_a_job_that_is_tried_again_says_why(failed_workflow: Any) -> None:
    nodes = failed_workflow["status"]["nodes"]
    job_node = find_job_node(failed_workflow, "fails")
    job_node |= {"phase": "Running", "finishedAt": None}
    nodes[job_node["children"][0]] |= {"phase": "Error", "message": "pod deleted"}
    job = RunSnapshot(failed_workflow).record.jobs["fails"]
    assert (job.phase, job.message) == (Phase.RUNNING, "pod deleted")
    job_node["children"].append("second")
    nodes["second"] = {"id": "second", "type": "Pod", "displayName": "fails(1)", "phase": "Running"}
    job = RunSnapshot(failed_workflow).record.jobs["fails"]
    assert (job.phase, job.message) == (Phase.RUNNING, "trying again: pod deleted")
    nodes["second"] |= {"phase": "Pending", "message": "PodInitializing"}
    job = RunSnapshot(failed_workflow).record.jobs["fails"]
    assert (job.phase, job.message) == (Phase.PENDING, "trying again: pod deleted")
    nodes["second"]["message"] = "Unschedulable: no node"
    assert RunSnapshot(failed_workflow).record.jobs["fails"].message == "Unschedulable: no node"


@pytest.mark.parametrize(
    ("ref", "annotations", "branch"),
    [
        ("", {}, ""),
        ("a" * 40, {}, ""),
        ("a" * 40, {"textgen/branch": "main"}, "main"),
        ("main", {}, "main"),
        ("refs/heads/feature/x", {}, "feature/x"),
        ("refs/tags/v1", {}, ""),
    ],
)
def test_the_branch_is_git_s_or_the_ref_s(
    failed_workflow: Any, ref: str, annotations: dict[str, str], branch: str
) -> None:
    failed_workflow["metadata"].setdefault("annotations", {}).update(annotations)
    failed_workflow["spec"]["arguments"] = {"parameters": [{"name": "github-ref", "value": ref}]}
    assert build_run_record(failed_workflow).branch == branch
