"""What a run's pods say: their job, why they wait, how they ended."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

from argo import kubernetes_names
from argo.cluster.api import Api
from argo.cluster.objects import Container, ContainerState, Event, Pod
from argo.cluster.workflow_nodes import Part, parse_part
from argo.runs import StepRecord
from job.errors import ClusterError

# Containers of Argo, which tell a user nothing.
_ARGO_CONTAINERS = {"init", "wait"}

# Runs from the pod's start to its end. What it has to say of the job, `commit` prints.
_SIDECAR = "store"

# Reasons of a wait that need no word: they pass by themselves.
USUAL_WAITS = {"ContainerCreating", "PodInitializing", ""}

# What a generation's pods are in a run's timeline.
_PART_STEPS = {"plan": "plan", "shard": "main", "join": "commit"}

_BINARY_UNIT = re.compile(r"(\d+)([KMGT]i)")

# What the scheduler says after the reason: its attempts to make room for the pod.
_MAKING_ROOM = re.compile(r"\.? *(preemption: |no new claims to deallocate|still not schedulable).*|\.$")

# What the kubelet and containerd say before the reason: they name the image again.
_PULLING = re.compile(
    r'(Back-off pulling image "[^"]*"(: ErrImagePull: )?|failed to pull and unpack image "[^"]*": '
    r'|failed to resolve reference "[^"]*": )+'
)

# A kubelet goes from one to the other and back.
_SAME_REASONS = {"ErrImagePull": "ImagePullBackOff"}

_HINTS = {
    "ImagePullBackOff": (
        "the image does not exist, the cluster has no right to pull it, or its registry is out of reach"
    ),
    "ErrImageNeverPull": "the image is not on the node",
    "InvalidImageName": "the image's name is invalid",
    "CreateContainerConfigError": "its environment refers to something that does not exist",
}


def list_pods(api: Api, run: str) -> list[Pod]:
    """The pods of a run. Raises ClusterError."""
    pods: list[Pod] = []
    pods += api.list_items(api.core_path("pods"), labelSelector=f"{kubernetes_names.ARGO_WORKFLOW}={run}")
    return pods


def job_name(pod: Pod) -> str:
    """The name of the pod's job."""
    annotations = pod["metadata"].get("annotations") or {}
    path = annotations.get(kubernetes_names.ARGO_NODE_NAME, pod["metadata"]["name"])
    return annotations.get(kubernetes_names.JOB) or path.partition(".")[2].partition("(")[0] or path


def node_id(pod: Pod) -> str:
    """The id of the Workflow's node that the pod runs."""
    return (pod["metadata"].get("annotations") or {}).get(kubernetes_names.ARGO_NODE_ID, "")


def container_names(pod: Pod) -> list[str]:
    """The containers of a job, in the order in which they start; without Argo's own."""
    return [each["name"] for each in _containers(pod) if each["name"] not in _ARGO_CONTAINERS]


def container_states(pod: Pod) -> Mapping[str, ContainerState]:
    """The state of each container that the kubelet has reported."""
    status = pod.get("status") or {}
    statuses = (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    return {each["name"]: each.get("state", {}) for each in statuses}


def part(pod: Pod) -> Part | None:
    """Which of a generation's pods it is; None for the pod of any other job."""
    annotations = pod["metadata"].get("annotations") or {}
    return parse_part(annotations.get(kubernetes_names.ARGO_NODE_NAME, ""))


def list_steps(pods: Iterable[Pod]) -> dict[str, tuple[StepRecord, ...]]:
    """When each container of the jobs ran, by job. All shards of a generation are one step."""
    steps: dict[str, list[StepRecord]] = {}
    parts: dict[tuple[str, str], list[StepRecord]] = {}
    for pod in sort_by_age(pods):
        if kind := part(pod):
            parts.setdefault((job_name(pod), _PART_STEPS[kind.name]), []).extend(_list_pod_steps(pod))
        else:
            steps.setdefault(job_name(pod), []).extend(_list_pod_steps(pod))
    for (job, name), inner in parts.items():
        if inner:
            ends = [step.finished for step in inner if step.finished]
            end = max(ends) if len(ends) == len(inner) else None
            steps.setdefault(job, []).append(StepRecord(name, min(step.started for step in inner), end))
    return {job: tuple(sorted(each, key=attrgetter("started"))) for job, each in steps.items() if each}


def _list_pod_steps(pod: Pod) -> Iterator[StepRecord]:
    """The pod's containers in turn: one that Argo holds back begins when the one before has ended."""
    states = container_states(pod)
    before: datetime | None = None
    for name in container_names(pod):
        state = states.get(name, {})
        times: Mapping[str, Any] = state.get("terminated") or state.get("running") or {}
        if name == _SIDECAR or not (started := times.get("startedAt")):
            continue
        start = datetime.fromisoformat(started)
        finished = times.get("finishedAt")
        end = datetime.fromisoformat(finished) if finished else None
        yield StepRecord(name, max(start, before or start), end)
        if end is None:
            return
        before = end


def pending_reason(pod: Pod) -> str:
    """Why the pod does not start; empty if it has started, or will soon."""
    status = pod.get("status") or {}
    if status.get("phase") != "Pending":
        return ""
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = _scheduler_message(condition.get("message", ""))
            return f"{condition.get('reason', 'Unschedulable')}: {message}"
    for name, state in container_states(pod).items():
        waiting = state.get("waiting") or {}
        reason = waiting.get("reason", "")
        reason = _SAME_REASONS.get(reason, reason)
        if reason not in USUAL_WAITS:
            image = f", image {_container(pod, name).get('image', '')}" if "Image" in reason else ""
            message = _PULLING.sub("", " ".join(waiting.get("message", "").split()))
            parts = (f"{reason}: container {name}{image}", _HINTS.get(reason), message)
            return "; ".join(part for part in parts if part)
    return ""


def node_unresponsive(pod: Pod) -> str:
    """What to do if the pod's node has stopped answering; empty if it answers.

    The node controller then reports the pod as not ready, and gives no reason. Argo waits until the pod is
    deleted for good, which needs the node's return or its deletion.
    """
    status, node = pod.get("status") or {}, pod["spec"].get("nodeName", "")
    for condition in status.get("conditions") or ():
        if (condition["type"], condition["status"]) == ("Ready", "False") and not condition.get("reason"):
            return f"node {node} does not answer; if it is gone for good: kubectl delete node {node}"
    return ""


def latest_warning(api: Api, pod: Pod) -> str:
    """The newest warning among the pod's events, for a wait that the pod's status does not explain."""
    selector = f"involvedObject.uid={pod['metadata']['uid']},type=Warning"
    events: list[Event] = []
    try:
        events += api.list_items(api.core_path("events"), fieldSelector=selector)
    except ClusterError:  # a user without the right to read events still sees the rest
        return ""
    if not events:
        return ""
    events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    message = " ".join(events[-1].get("message", "").split())
    return f"{events[-1].get('reason', '')}: {message}"


def running_init_container(pod: Pod) -> str:
    """Which container runs before the job's own; empty if none does."""
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or ()
    names = [each["name"] for each in statuses if "running" in (each.get("state") or {})]
    skipped = {*_ARGO_CONTAINERS, _SIDECAR}
    return next((f"{name} is running: see textgen logs" for name in names if name not in skipped), "")


def out_of_memory_reasons(pods: Iterable[Pod]) -> Mapping[str, str]:
    """For the Workflow's node of each pod that was killed for its memory: what it had, and what to do."""
    reasons = {}
    for pod in pods:
        for container, state in container_states(pod).items():
            terminated = state.get("terminated") or {}
            if terminated.get("reason") == "OOMKilled" and container not in _ARGO_CONTAINERS:
                reasons[node_id(pod)] = _out_of_memory_reason(pod, container)
    return reasons


def sort_by_age(pods: Iterable[Pod]) -> list[Pod]:
    """The pods, oldest first."""
    return sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])


def _out_of_memory_reason(pod: Pod, container: str) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    limit = _memory_limit(pod, container)
    available = f"asked for {limit}" if limit else "the node had no more"
    instance = annotations.get(kubernetes_names.INSTANCE_TYPE)
    larger = annotations.get(kubernetes_names.LARGER_INSTANCE_TYPE)
    if not instance or container != "main":
        return f"OOMKilled: container {container}, {available}; give it more memory"
    hint = f"try {larger}" if larger else "there is no larger instance type"
    return f"OOMKilled: {available}, instance type {instance}; {hint}"


def _scheduler_message(message: str) -> str:
    """The scheduler's message, without its attempts to preempt other pods."""
    return _MAKING_ROOM.sub("", " ".join(message.split()))


def _memory_limit(pod: Pod, container: str) -> str:
    limits = (_container(pod, container).get("resources") or {}).get("limits") or {}
    return _BINARY_UNIT.sub(r"\1 \2B", limits.get("memory", ""))


def _container(pod: Pod, name: str) -> Container:
    unknown: Container = {"name": name}
    return next((each for each in _containers(pod) if each["name"] == name), unknown)


def _containers(pod: Pod) -> list[Container]:
    return (pod["spec"].get("initContainers") or []) + pod["spec"]["containers"]
