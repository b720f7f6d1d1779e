"""Pods say why jobs wait or failed."""

from datetime import datetime
from typing import Any, cast

import pytest

from argo.cluster import pods
from argo.cluster.api import Api, ApiError
from argo.cluster.follow_run import RunSnapshot
from argo.runs import StepRecord
from tests.cluster.fake_api import FakeApi
from tests.cluster.test_workflow_status import find_job_node

T = [f"2026-11-22T18:00:0{number}Z" for number in range(3)]


def make_pod(job: str, **status: Any) -> Any:
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


@pytest.mark.parametrize(
    ("status", "reason"),
    [
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
def test_a_pod_says_why_it_waits(status: dict[str, Any], reason: str) -> None:
    assert pods.pending_reason(make_pod("job", **status)) == reason


@pytest.mark.parametrize(
    "attempts",
    [
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
        "no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found.",
        "",
    ],
)
def test_a_pod_without_room_says_what_is_lacking(attempts: str) -> None:
    message = f"0/1 nodes are available: 1 node(s) were unschedulable, 1 Insufficient cpu. {attempts}"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    assert (
        pods.pending_reason(make_pod("job", phase="Pending", conditions=[condition]))
        == "Unschedulable: 0/1 nodes are available: 1 node(s) were unschedulable, 1 Insufficient cpu"
    )


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (
            "ErrImagePull",
            'failed to pull and unpack image "r/x:1": failed to resolve reference "r/x:1": r/x:1: not found',
        ),
        (
            "ImagePullBackOff",
            'Back-off pulling image "x:1": ErrImagePull: failed to pull and unpack image "r/x:1": '
            'failed to resolve reference "r/x:1": r/x:1: not found',
        ),
    ],
)
def test_each_attempt_to_pull_an_image_says_the_same(reason: str, message: str) -> None:
    waiting = {"waiting": {"reason": reason, "message": message}}
    pod = make_pod("job", phase="Pending", containerStatuses=[{"name": "main", "state": waiting}])
    assert pods.pending_reason(pod) == (
        "ImagePullBackOff: container main, image nowhere/x:1; the image does not exist, "
        "the cluster has no right to pull it, or its registry is out of reach; r/x:1: not found"
    )


def test_an_unresponsive_node_differs_from_a_container_that_is_not_ready() -> None:
    def check(**ready: str) -> str:
        pod = make_pod("job", phase="Running", conditions=[{"type": "Ready", **ready}])
        pod["spec"]["nodeName"] = "n1"
        return pods.node_unresponsive(pod)

    assert "kubectl delete node n1" in check(status="False")  # the node controller's
    assert check(status="False", reason="ContainersNotReady") == ""  # the kubelet's
    assert check(status="True") == ""


def test_the_container_that_runs_before_the_job_is_named() -> None:
    def check(**state: Any) -> str:
        states = [{"name": "init", "state": {"terminated": {}}}, {"name": "checkout", "state": state}]
        return pods.running_init_container(make_pod("job", phase="Pending", initContainerStatuses=states))

    assert check(running={}) == "checkout is running: see textgen logs"
    assert check(waiting={}) == ""


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (
            {"textgen/instance-type": "C5", "textgen/larger-instance-type": "C6"},
            "OOMKilled: asked for 512 MiB, instance type C5; try C6",
        ),
        (
            {"textgen/instance-type": "C10"},
            "OOMKilled: asked for 512 MiB, instance type C10; there is no larger instance type",
        ),
        ({}, "OOMKilled: container main, asked for 512 MiB; give it more memory"),
    ],
)
def test_a_job_out_of_memory_says_what_it_had(
    failed_workflow: Any, annotations: dict[str, str], message: str
) -> None:
    pod = make_pod(
        "fails",
        phase="Failed",
        containerStatuses=[{"name": "main", "state": {"terminated": {"reason": "OOMKilled"}}}],
    )
    (attempt,) = find_job_node(failed_workflow, "fails")["children"]
    pod["metadata"]["annotations"] |= {"workflows.argoproj.io/node-id": attempt, **annotations}
    assert RunSnapshot(failed_workflow, (pod,)).record.jobs["fails"].message == message


def test_no_right_to_read_events_is_no_error() -> None:
    def events(*_: object) -> ApiError:
        return ApiError("events is forbidden", 403, {})

    api = cast(Api, FakeApi(events, events))
    assert pods.latest_warning(api, make_pod("job", phase="Pending")) == ""


def test_containers_are_the_steps_of_their_job_over_all_attempts() -> None:
    def state(name: str, *times: str) -> dict[str, Any]:
        keys = ("startedAt", "finishedAt")[: len(times)]
        kind = "terminated" if len(times) == 2 else "running"
        return {"name": name, "state": {kind: dict(zip(keys, times, strict=True))}}

    first = make_pod("job", containerStatuses=[state("main", T[0], T[1]), state("wait", T[0], T[2])])
    second = make_pod("job", containerStatuses=[state("main", T[2])])
    second["metadata"]["creationTimestamp"] = "2026-11-22T19:00:00Z"
    waiting = make_pod("other", containerStatuses=[{"name": "main", "state": {"waiting": {}}}])
    assert pods.list_steps([second, waiting, first]) == {
        "job": (
            StepRecord("main", datetime.fromisoformat(T[0]), datetime.fromisoformat(T[1])),
            StepRecord("main", datetime.fromisoformat(T[2])),
        )
    }
