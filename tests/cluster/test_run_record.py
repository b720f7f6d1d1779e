"""A Workflow of Argo reads as a run, and its pods say why jobs wait or failed."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from argo.cluster import pods, stop_and_retry, workflow_status
from argo.cluster.api import Api, ApiError
from argo.cluster.follow import RunSnapshot
from argo.runs import Phase
from job.errors import InputError
from tests.cluster.fake import FakeApi

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def failed() -> dict[str, Any]:
    """get_ready → fails → after, as Argo 4.1.2 left it."""
    found: dict[str, Any] = json.loads((RECORDED / "failed.json").read_text("utf-8"))
    return found


def waiting(job: str, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "uid": job,
            "name": f"run-{job}",
            "creationTimestamp": "2026-11-22T18:00:00Z",
            "annotations": {"textgen/job": job},
        },
        "spec": {
            "containers": [
                {"name": "wait"},
                {"name": "main", "image": "nowhere/x:1", "resources": {"limits": {"memory": "512Mi"}}},
            ]
        },
        "status": status,
    }


def test_the_record_has_the_files_jobs_with_their_phases_and_versions(failed: dict[str, Any]) -> None:
    record = workflow_status.to_run_record(failed)
    assert record.phase is Phase.FAILED
    assert [(name, job.needs, job.phase) for name, job in record.jobs.items()] == [
        ("get_ready", (), Phase.SUCCEEDED),
        ("fails", ("get_ready",), Phase.FAILED),
        ("after", ("fails",), Phase.OMITTED),
    ]
    assert record.jobs["get_ready"].outputs["result"].startswith("ready:")
    assert record.jobs["fails"].message == "main: Error (exit code 7)"
    assert record.runtime == "argo:base"


def test_a_run_that_nobody_has_taken_yet_is_pending(failed: dict[str, Any]) -> None:
    del failed["status"]
    record = workflow_status.to_run_record(failed)
    assert record.phase is Phase.PENDING
    assert {job.phase for job in record.jobs.values()} == {Phase.PENDING}
    assert record.started.tzinfo


def test_a_large_workflows_packed_nodes_are_read(failed: dict[str, Any]) -> None:
    again = stop_and_retry.reset_workflow(packed(failed), workflow_status.get_nodes(failed))
    assert "nodes" not in again["status"]
    assert workflow_status.get_nodes(again).keys() == workflow_status.get_nodes(failed).keys()


def packed(workflow: dict[str, Any]) -> dict[str, Any]:
    import base64
    import gzip

    found = copy.deepcopy(workflow)
    nodes = json.dumps(found["status"].pop("nodes")).encode()
    found["status"]["compressedNodes"] = base64.b64encode(gzip.compress(nodes)).decode()
    return found


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes",
                    }
                ],
            },
            "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.",
        ),
        (
            {
                "phase": "Pending",
                "containerStatuses": [
                    {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}
                ],
            },
            "ImagePullBackOff: container main, image nowhere/x:1; "
            "the image is not there, or the cluster may not pull it; no",
        ),
        (
            {
                "phase": "Pending",
                "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}],
            },
            "",
        ),
        ({"phase": "Running"}, ""),
    ],
)
def test_a_pod_says_why_it_waits(status: dict[str, Any], told: str) -> None:
    assert pods.pending_reason(waiting("job", **status)) == told


def test_a_node_that_does_not_answer_is_told_from_a_container_that_is_not_ready() -> None:
    def running(**ready: str) -> str:
        pod = waiting("job", phase="Running", conditions=[{"type": "Ready", **ready}])
        pod["spec"]["nodeName"] = "n1"
        return pods.node_unresponsive(pod)

    assert "kubectl delete node n1" in running(status="False")  # the node controller's
    assert running(status="False", reason="ContainersNotReady") == ""  # the kubelet's
    assert running(status="True") == ""


def test_what_a_pod_does_before_its_job_is_said() -> None:
    def before(**state: Any) -> dict[str, Any]:
        states = [{"name": "init", "state": {"terminated": {}}}, {"name": "checkout", "state": state}]
        return waiting("job", phase="Pending", initContainerStatuses=states)

    assert pods.running_init_container(before(running={})) == "checkout is at work: textgen logs shows it"
    assert pods.running_init_container(before(waiting={})) == ""


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        (
            {"textgen/instance-type": "C5", "textgen/larger-instance-type": "C6"},
            "OOMKilled: asked for 512 MiB, instance type C5; try C6",
        ),
        (
            {"textgen/instance-type": "C10"},
            "OOMKilled: asked for 512 MiB, instance type C10; there is no larger one",
        ),
        ({}, "OOMKilled: container main, asked for 512 MiB; give it more memory"),
    ],
)
def test_a_job_out_of_memory_says_what_it_had(
    failed: dict[str, Any], annotations: dict[str, str], told: str
) -> None:
    killed = waiting(
        "fails",
        phase="Failed",
        containerStatuses=[{"name": "main", "state": {"terminated": {"reason": "OOMKilled"}}}],
    )
    killed["metadata"]["annotations"] |= annotations
    assert RunSnapshot(failed, (killed,)).record.jobs["fails"].message == told


def fails(failed: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The run, whose job `fails` has another end; its first attempt's pod and containers are given."""
    nodes = failed["status"]["nodes"]
    task = next(node for node in nodes.values() if node["displayName"] == "fails")
    task.update(fields.pop("task", {}))
    first = nodes[task["children"][0]]
    first.update(fields)
    return failed


def test_a_pods_own_end_is_said_before_what_its_containers_made_of_it(failed: dict[str, Any]) -> None:
    reason = "Pod ephemeral local storage usage exceeds the total limit of containers 60Mi. "
    assert (
        workflow_status.to_run_record(fails(failed, message=reason)).jobs["fails"].message == reason.strip()
    )


def test_a_signal_is_named(failed: dict[str, Any]) -> None:
    nodes = failed["status"]["nodes"].values()
    next(node for node in nodes if node["displayName"] == "main" and node["phase"] == "Failed")["message"] = (
        "main: Error (exit code 137): "
    )
    assert (
        workflow_status.to_run_record(failed).jobs["fails"].message
        == "main: killed by SIGKILL (exit code 137)"
    )


def test_a_job_that_is_tried_again_says_why(failed: dict[str, Any]) -> None:
    lost = fails(failed, task={"phase": "Running", "finishedAt": None}, phase="Error", message="pod deleted")
    job = RunSnapshot(lost).record.jobs["fails"]
    assert (job.phase, job.message) == (Phase.RUNNING, "pod deleted")
    nodes = lost["status"]["nodes"]
    next(node for node in nodes.values() if node["displayName"] == "fails")["children"].append("second")
    nodes["second"] = {"id": "second", "type": "Pod", "displayName": "fails(1)", "phase": "Running"}
    job = RunSnapshot(lost).record.jobs["fails"]
    assert (job.phase, job.message) == (Phase.RUNNING, "trying again: pod deleted")


def test_what_has_succeeded_stays_when_a_run_is_retried(failed: dict[str, Any]) -> None:
    failed["spec"]["shutdown"] = "Stop"
    again = stop_and_retry.reset_workflow(failed, stop_and_retry._kept_nodes(failed))
    record = workflow_status.to_run_record(again)
    assert record.phase is Phase.PENDING
    assert [job.phase for job in record.jobs.values()] == [Phase.SUCCEEDED, Phase.PENDING, Phase.PENDING]
    assert record.started > datetime(2026, 1, 1, tzinfo=UTC)
    assert "shutdown" not in again["spec"]
    assert "workflows.argoproj.io/completed" not in again["metadata"]["labels"]
    nodes = again["status"]["nodes"]
    assert all(child in nodes for node in nodes.values() for child in node.get("children", ()))
    assert nodes[record.name]["phase"] == "Running"


def test_a_workflow_of_another_shape_is_left_to_argo_retry(failed: dict[str, Any]) -> None:
    nested = {"id": "deep", "type": "Pod", "displayName": "deep", "boundaryID": "step", "phase": "Failed"}
    failed["status"]["nodes"]["deep"] = nested
    with pytest.raises(InputError, match="argo retry"):
        stop_and_retry._kept_nodes(failed)


def test_a_wait_is_followed_where_events_can_not_be_read() -> None:
    def events(*_: object) -> ApiError:
        return ApiError("events is forbidden", 403, {})

    pod = waiting("job", phase="Pending")
    assert pods.latest_warning(cast(Api, FakeApi(events, events)), pod) == ""
