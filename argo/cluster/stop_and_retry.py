"""Stopping a run, and running the jobs of a failed run again.

`retry_run` does what `argo retry` does (argo-workflows, workflow/util/util.go, FormulateRetryWorkflow) for
the one form that textgen's runs have: a DAG of jobs, each with its attempts or a DAG of a plan, shards and a
join. The run keeps its name and its uid, so what its jobs have committed is not committed twice, and the
shards that have succeeded are not made again.
"""

import base64
import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from argo import kubernetes_names
from argo.cluster import pods, workflow_status
from argo.cluster.api import Api, ApiError
from argo.cluster.backoff import retry_on_conflict
from argo.cluster.follow_run import get_workflow
from argo.cluster.objects import Workflow, WorkflowNode
from argo.cluster.workflow_nodes import Nodes, get_nodes
from argo.cluster.workflow_status import build_run_record
from argo.runs import Phase
from job.errors import InputError

# The labels of a run that has ended. A poller sets the last one (argo.trigger.push_workflow).
_END_LABELS = (
    kubernetes_names.ARGO_COMPLETED,
    kubernetes_names.ARGO_ARCHIVING_STATUS,
    kubernetes_names.REPORTED,
)
# The types of nodes that hold others: a DAG, and the shards of a generation.
_GROUPS = {"DAG", "TaskGroup"}


def stop_run(api: Api, name: str) -> None:
    """Have Argo end the run: it stops the running pods and starts no other job.

    Raises UnknownReferenceError, and InputError for a run that has ended.
    """
    phase = build_run_record(get_workflow(api, name)).phase
    if phase.ended:
        raise InputError(f"{name} has ended already: {phase}")
    api.patch(api.workflow_path(name), {"spec": {"shutdown": "Stop"}})


@retry_on_conflict
def retry_run(api: Api, name: str) -> tuple[str, ...]:
    """Run the jobs that did not succeed again, as the same run. Returns their names.

    Raises UnknownReferenceError, and InputError for a run that has not failed or that others made.
    """
    workflow = get_workflow(api, name)
    run = build_run_record(workflow)
    if run.phase not in {Phase.FAILED, Phase.ERROR}:
        raise InputError(f"{name} is {run.phase}: only a run that has failed can be retried")
    jobs = tuple(name for name, job in run.jobs.items() if job.phase is not Phase.SUCCEEDED)
    kept = _select_nodes(workflow)
    _delete_pods(api, name, kept)
    api.replace(api.workflow_path(name), reset_workflow(workflow, kept))
    return jobs


def reset_workflow(workflow: Workflow, kept: Nodes) -> Workflow:
    """The Workflow as Argo must find it to run all but the `kept` nodes again; those that failed go on."""
    metadata = workflow["metadata"]
    spec: dict[str, Any] = {**workflow["spec"]}
    status: dict[str, Any] = {**workflow["status"]}
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key not in _END_LABELS}
    spec.pop("shutdown", None)
    for key in ("phase", "message", "finishedAt", "persistentVolumeClaims"):
        status.pop(key, None)
    if stored := status.get("storedWorkflowTemplateSpec"):
        status["storedWorkflowTemplateSpec"] = {key: stored[key] for key in stored if key != "shutdown"}
    others = [each for each in status.get("conditions") or () if each["type"] != "Completed"]
    status["conditions"] = [*others, {"type": "Completed", "status": "False"}]
    status["startedAt"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    nodes = {key: _prune_links(node, kept) for key, node in kept.items()}
    for key, node in nodes.items():
        if key == metadata["name"] or (node["type"] in _GROUPS and node["phase"] != "Succeeded"):
            nodes[key] = _restart(node, status["startedAt"])
    if status.pop("compressedNodes", None):
        compressed = gzip.compress(json.dumps(nodes).encode())
        status["compressedNodes"] = base64.b64encode(compressed).decode()
        status.pop("nodes", None)
    else:
        status["nodes"] = nodes
    changed = {**workflow, "metadata": {**metadata, "labels": labels}, "spec": spec, "status": status}
    return cast(Workflow, changed)


def _select_nodes(workflow: Workflow) -> Nodes:
    """The nodes of the run itself, of the jobs that succeeded, and of the parts of others that did."""
    name, nodes = workflow["metadata"]["name"], get_nodes(workflow)
    if name not in nodes or nodes[name]["type"] != "DAG":
        raise InputError(f"{name} ended before its first job; submit it again")
    jobs = workflow_status.get_job_nodes(workflow)
    generations = [jobs[job] for job in workflow_status.get_generations(workflow)]
    groups = {name, *(node["id"] for node in generations if node["type"] in _GROUPS)}
    tasks = {key for key, node in nodes.items() if node.get("boundaryID") in groups}
    inner = {node.get("boundaryID") for key, node in nodes.items() if key not in {name, *tasks}}
    if not inner <= tasks:
        raise InputError(f"{name} was not made by textgen: use argo retry {name}")
    kept = set(groups)
    for key in tasks:
        node = nodes[key]
        if node.get("phase") == "Succeeded":
            kept |= {key, *(node.get("children") or () if node["type"] == "Retry" else ())}
        elif node["type"] == "TaskGroup" and node.get("boundaryID") != name:
            kept.add(key)
    inside = kept - groups
    return {key: node for key, node in nodes.items() if key in kept or node.get("boundaryID") in inside}


def _restart(node: Mapping[str, Any], started: str) -> Mapping[str, Any]:
    """The node of what has ended and now goes on."""
    rest = {key: value for key, value in node.items() if key not in {"message", "finishedAt"}}
    return {**rest, "phase": "Running", "startedAt": started}


def _prune_links(node: WorkflowNode, kept: Nodes) -> Mapping[str, Any]:
    """The node without references to nodes that are deleted."""
    links = {
        key: [child for child in children if child in kept]
        for key, children in (
            ("children", node.get("children")),
            ("outboundNodes", node.get("outboundNodes")),
        )
        if children is not None
    }
    return {**node, **links}


def _delete_pods(api: Api, name: str, kept: Nodes) -> None:
    """Delete the pods of all other attempts: a new attempt's pod has the same name."""
    for pod in pods.list_pods(api, name):
        if pods.node_id(pod) not in kept:
            try:
                api.delete(api.core_path("pods", pod["metadata"]["name"]))
            except ApiError as error:
                if error.status != 404:
                    raise
