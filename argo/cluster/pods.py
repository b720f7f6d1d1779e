"""What a run's pods say of themselves: whose they are, why they wait, how they ended."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from argo import object_names
from argo.cluster.api import Api, Object
from job.errors import ClusterError

# Argo's own containers, which tell a user nothing.
_ARGO = {"init", "wait"}

# Reasons of a wait that pass by themselves.
USUAL_WAITS = {"ContainerCreating", "PodInitializing", ""}

_UNIT = re.compile(r"(\d+)([KMGT]i)")

_HINTS = {
    "ImagePullBackOff": "the image is not there, or the cluster may not pull it",
    "ErrImagePull": "the image is not there, or the cluster may not pull it",
    "ErrImageNeverPull": "the image is not on the node",
    "InvalidImageName": "the image's name is not one",
    "CreateContainerConfigError": "what its environment refers to is not there",
}


def job_name(pod: Object) -> str:
    """The name of the pod's job."""
    annotations = pod["metadata"].get("annotations") or {}
    path = annotations.get(object_names.ARGO_NODE_NAME, pod["metadata"]["name"])
    return str(annotations.get(object_names.JOB) or path.partition(".")[2].partition("(")[0] or path)


def node_id(pod: Object) -> str:
    """The id of the Workflow's node that the pod is."""
    return str((pod["metadata"].get("annotations") or {}).get(object_names.ARGO_NODE_ID, ""))


def container_names(pod: Object) -> list[str]:
    """The containers that a user's job consists of, in the order in which they start."""
    spec = pod["spec"]
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return [each["name"] for each in listed if each["name"] not in _ARGO]


def container_states(pod: Object) -> Mapping[str, Mapping[str, Any]]:
    """The state of each container that has one: {"running": …}, {"waiting": …} or {"terminated": …}."""
    status = pod.get("status") or {}
    listed = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return {each["name"]: each.get("state") or {} for each in listed}


def pending_reason(pod: Object) -> str:
    """Why the pod does not start, or nothing where it has, or is about to."""
    status = pod.get("status") or {}
    if status.get("phase") != "Pending":
        return ""
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', 'Unschedulable')}: {_scheduling(condition.get('message', ''))}"
    for name, state in container_states(pod).items():
        waiting = state.get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason not in USUAL_WAITS:
            hint = _HINTS.get(reason)
            told = " ".join(waiting.get("message", "").split())
            parts = [f"{reason}: container {name}", f"image {_image(pod, name)}" if "Image" in reason else ""]
            return "; ".join(filter(None, (", ".join(filter(None, parts)), hint, told)))
    return ""


def node_unresponsive(pod: Object) -> str:
    """What to do where the pod's node does not answer any more, or nothing.

    Then nobody but the node controller says that the pod is not ready, and it gives no reason. Argo waits
    until the pod is deleted for good, which takes the node's return, or its deletion.
    """
    status, node = pod.get("status") or {}, pod["spec"].get("nodeName", "")
    for condition in status.get("conditions") or ():
        if (condition["type"], condition["status"]) == ("Ready", "False") and not condition.get("reason"):
            return f"node {node} does not answer; if it is gone for good: kubectl delete node {node}"
    return ""


def latest_warning(api: Api, pod: Object) -> str:
    """The newest warning among the pod's events, for a wait that its status does not explain."""
    try:
        events = api.list_items(
            api.core_path("events"), fieldSelector=f"involvedObject.uid={pod['metadata']['uid']},type=Warning"
        )
    except ClusterError:  # who may not look at events, or can't just now, sees the rest all the same
        return ""
    events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    if not events:
        return ""
    message = " ".join(events[-1].get("message", "").split())
    return f"{events[-1].get('reason', '')}: {message}"


def running_init_container(pod: Object) -> str:
    """The container before the job's own that runs, for a wait of which nothing else is known."""
    known = (pod.get("status") or {}).get("initContainerStatuses") or ()
    names = [each["name"] for each in known if "running" in (each.get("state") or {})]
    return next((f"{name} is at work: textgen logs shows it" for name in names if name not in _ARGO), "")


def out_of_memory_reasons(found: Iterable[Object]) -> Mapping[str, str]:
    """For each job whose newest pod ran out of memory: what to do."""
    newest: dict[str, Object] = {}
    for pod in sorted(found, key=lambda pod: pod["metadata"]["creationTimestamp"]):
        newest[job_name(pod)] = pod
    told = {}
    for name, pod in newest.items():
        for container, state in container_states(pod).items():
            if (state.get("terminated") or {}).get("reason") == "OOMKilled" and container not in _ARGO:
                told[name] = _killed_for_memory(pod, container)
    return told


def _killed_for_memory(pod: Object, container: str) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    limit = _limit(pod, container)
    asked = f"asked for {limit}" if limit else "the node had no more"
    kind, larger = (
        annotations.get(object_names.INSTANCE_TYPE),
        annotations.get(object_names.LARGER_INSTANCE_TYPE),
    )
    if not kind or container != "main":
        return f"OOMKilled: container {container}, {asked}; give it more memory"
    hint = f"try {larger}" if larger else "there is no larger one"
    return f"OOMKilled: {asked}, instance type {kind}; {hint}"


def _scheduling(message: str) -> str:
    """Without what the scheduler tried in vain to take from others."""
    return " ".join(message.partition(" preemption:")[0].split())


def _image(pod: Object, container: str) -> str:
    return str(_container(pod, container).get("image", ""))


def _limit(pod: Object, container: str) -> str:
    limits = (_container(pod, container).get("resources") or {}).get("limits") or {}
    return _UNIT.sub(r"\1 \2B", str(limits.get("memory", "")))


def _container(pod: Object, name: str) -> Mapping[str, Any]:
    spec = pod["spec"]
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return next((each for each in listed if each["name"] == name), {})
