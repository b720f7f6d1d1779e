"""Stopping a run, and starting one again from where it failed.

`retry` does what `argo retry` does (argo-workflows, workflow/util/util.go, FormulateRetryWorkflow) for
the one form that our runs have: a DAG of jobs, each with its attempts. The run keeps its name and its
uid, so what its jobs have committed is found again and not committed twice.
"""

import base64
import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from argo import object_names
from argo.cluster import pods, workflow_status
from argo.cluster.api import Api, ApiError, Object
from argo.cluster.backoff import retry_on_conflict
from argo.cluster.follow import get_workflow
from argo.runs import Phase
from job.errors import InputError

# What says that the run has ended, the last that a poller has reported it (argo.trigger.push_workflow).
_LABELS = (object_names.ARGO_COMPLETED, object_names.ARGO_ARCHIVING_STATUS, object_names.REPORTED)

Nodes = Mapping[str, Mapping[str, Any]]


def stop_run(api: Api, name: str) -> None:
    """Have Argo end the run: its pods are told to stop, and what has not started does not start.

    Raises UnknownReferenceError, and InputError for a run that has ended.
    """
    found = workflow_status.to_run_record(get_workflow(api, name))
    if found.phase.ended:
        raise InputError(f"{name} has ended already: {found.phase}")
    api.patch(api.workflow_path(name), {"spec": {"shutdown": "Stop"}})


@retry_on_conflict
def retry_run(api: Api, name: str) -> tuple[str, ...]:
    """Run again the jobs that did not succeed, as the same run; their names.

    Raises UnknownReferenceError, and InputError for a run that has not failed or that others made.
    """
    workflow = get_workflow(api, name)
    found = workflow_status.to_run_record(workflow)
    if found.phase not in {Phase.FAILED, Phase.ERROR}:
        raise InputError(f"{name} is {found.phase}: only a run that has failed can be retried")
    jobs = tuple(job for job, each in found.jobs.items() if each.phase is not Phase.SUCCEEDED)
    kept = _kept_nodes(workflow)
    _delete_pods(api, name, kept)
    api.replace(api.workflow_path(name), reset_workflow(workflow, kept))
    return jobs


def reset_workflow(workflow: Object, kept: Nodes) -> Object:
    """The Workflow as Argo must find it to run all but the kept nodes again."""
    metadata, spec, status = workflow["metadata"], dict(workflow["spec"]), dict(workflow["status"])
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key not in _LABELS}
    spec.pop("shutdown", None)
    for key in ("phase", "message", "finishedAt", "persistentVolumeClaims"):
        status.pop(key, None)
    if stored := status.get("storedWorkflowTemplateSpec"):
        status["storedWorkflowTemplateSpec"] = {key: stored[key] for key in stored if key != "shutdown"}
    others = [each for each in status.get("conditions") or () if each["type"] != "Completed"]
    status["conditions"] = [*others, {"type": "Completed", "status": "False"}]
    status["startedAt"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    nodes = {key: _prune_links(node, kept) for key, node in kept.items()}
    root = nodes[metadata["name"]]
    for key in ("message", "finishedAt"):
        root.pop(key, None)
    nodes[metadata["name"]] = {**root, "phase": "Running", "startedAt": status["startedAt"]}
    if status.pop("compressedNodes", None):
        packed = gzip.compress(json.dumps(nodes).encode())
        status["compressedNodes"] = base64.b64encode(packed).decode()
        status.pop("nodes", None)
    else:
        status["nodes"] = nodes
    return {**workflow, "metadata": {**metadata, "labels": labels}, "spec": spec, "status": status}


def _kept_nodes(workflow: Object) -> Nodes:
    """The nodes of the run itself and of the jobs that succeeded."""
    name, found = workflow["metadata"]["name"], workflow_status.get_nodes(workflow)
    if name not in found or found[name]["type"] != "DAG":
        raise InputError(f"{name} never came to its jobs; submit it again")
    jobs = {key for key, node in found.items() if node.get("boundaryID") == name}
    inner = {node.get("boundaryID") for key, node in found.items() if key != name and key not in jobs}
    if not inner <= jobs:
        raise InputError(f"{name} was not made by textgen: use argo retry {name}")
    done = set()
    for task in workflow_status.get_job_nodes(workflow).values():
        if task["phase"] == "Succeeded":
            done |= {each["id"] for each in (task, *workflow_status.get_attempts(task, found))}
    return {key: node for key, node in found.items() if key == name or {key, node.get("boundaryID")} & done}


def _prune_links(node: Mapping[str, Any], kept: Nodes) -> dict[str, Any]:
    """The node without references to nodes that are gone."""
    links = {}
    for key in ("children", "outboundNodes"):
        if key in node:
            links[key] = [each for each in node[key] if each in kept]
    return {**node, **links}


def _delete_pods(api: Api, name: str, kept: Nodes) -> None:
    """The pods of the attempts that are forgotten: a new attempt's pod has the same name."""
    for pod in api.list_items(api.core_path("pods"), labelSelector=f"{object_names.ARGO_WORKFLOW}={name}"):
        if pods.node_id(pod) not in kept:
            try:
                api.delete(api.core_path("pods", pod["metadata"]["name"]))
            except ApiError as error:
                if error.status != 404:
                    raise
