"""A Workflow of Argo as a run: the record that local runs have, too."""

import base64
import gzip
import json
import re
import signal
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from argo import object_names
from argo.cluster.api import Api, Object
from argo.runs import JobRecord, Phase, RunRecord

# Argo's phases of nodes beside those that runs here have.
_PHASES = {"": Phase.PENDING, "Skipped": Phase.OMITTED, "Daemoned": Phase.RUNNING}

_FAILED = {"Failed", "Error"}

# Argo's word on a pod whose container has failed: "main: Error (exit code 1): ". Others are the kubelet's.
_OF_CONTAINER = re.compile(r"[a-z]+: |container deleted")
_SIGNAL = re.compile(r"\bError \(exit code (1[3-9]\d|129)\)")


def to_run_record(workflow: Object) -> RunRecord:
    """The run. Works for Workflows that others made, too: their tasks are the jobs."""
    metadata, status = workflow["metadata"], workflow.get("status") or {}
    spec = get_spec(workflow)
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    parameters = {each["name"]: each.get("value", "") for each in _parameters(workflow)}
    url, ref = parameters.pop(object_names.GITHUB_URL, ""), parameters.pop(object_names.GITHUB_REF, "")
    return RunRecord(
        name=metadata["name"],
        workflow=labels.get(object_names.WORKFLOW, ""),
        file=annotations.get(object_names.FILE, ""),
        runtime=f"argo:{metadata['namespace']}",
        source="@".join(filter(None, (url, ref))),
        parameters=parameters,
        started=_time(status.get("startedAt")) or datetime.fromisoformat(metadata["creationTimestamp"]),
        jobs=_jobs(spec, get_nodes(workflow), metadata["name"]),
        phase=_phase(status.get("phase", "")),
        finished=_time(status.get("finishedAt")),
        message=_line(status.get("message", "")),
    )


def list_runs(api: Api) -> list[RunRecord]:
    """The namespace's runs that textgen made, newest first. Raises ClusterError."""
    found = api.list_items(
        api.workflow_path(), labelSelector=f"{object_names.MANAGED_BY}={object_names.MANAGER}"
    )
    return sorted(map(to_run_record, found), key=lambda each: each.started, reverse=True)


def get_spec(workflow: Object) -> Mapping[str, Any]:
    """What runs: the Workflow's own spec, or that of the template it refers to as it was at the start."""
    stored = (workflow.get("status") or {}).get("storedWorkflowTemplateSpec")
    found: Mapping[str, Any] = stored or workflow.get("spec") or {}
    return found


def get_nodes(workflow: Object) -> Mapping[str, Mapping[str, Any]]:
    """The status of each node by id; Argo packs those of a large workflow."""
    status = workflow.get("status") or {}
    if packed := status.get("compressedNodes"):
        found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed)))
        return found
    return status.get("nodes") or {}


def get_attempts(
    job: Mapping[str, Any] | None, found: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The pods' nodes of a job's node, first to last."""
    if job is None:
        return []
    if job["type"] != "Retry":
        return [job]
    return [found[child] for child in job.get("children") or () if child in found]


def get_job_nodes(workflow: Object) -> Mapping[str, Mapping[str, Any]]:
    """The node of each job that has one yet."""
    found = _task_nodes(get_nodes(workflow), workflow["metadata"]["name"])
    tasks = _tasks(get_spec(workflow))
    return {job: found[task] for job, (task, _) in tasks.items() if task in found}


def _jobs(spec: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]], run: str) -> dict[str, JobRecord]:
    tasks = _tasks(spec)
    named = {task: job for job, (task, _) in tasks.items()}
    of_tasks = _task_nodes(found, run)
    made = {}
    for job, (task, depends) in tasks.items():
        node = of_tasks.get(task)
        needs = tuple(named[word] for word in re.findall(r"[\w-]+", depends) if word in named)
        made[job] = _job(node, found, needs) if node else JobRecord(needs)
    return made


def _job(
    node: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]], needs: tuple[str, ...]
) -> JobRecord:
    phase = _phase(node.get("phase", ""))
    tries = get_attempts(node, found) or [node]
    last = tries[-1]
    if phase is Phase.RUNNING:
        message = _again(tries, found)
        if last.get("phase") == "Pending":
            phase = Phase.PENDING  # a node that may be retried is Running before its first pod is
            message = last.get("message") or message
    else:
        # a pod that came back keeps the message of its first end
        message = "" if phase is Phase.SUCCEEDED else _cause(last, found) or node.get("message", "")
    started = None if phase is Phase.OMITTED else _time(node.get("startedAt"))
    made = (node.get("outputs") or {}).get("parameters") or ()
    outputs = {each["name"]: each["value"] for each in made if each.get("value")}
    return JobRecord(needs, phase, started, _time(node.get("finishedAt")), _line(message), outputs)


def _again(tries: list[Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> str:
    """What became of the job's last attempt that failed; there may be a new one, or not."""
    failed = [each for each in tries if each.get("phase") in _FAILED]
    if not failed:
        return ""
    cause = _cause(failed[-1], found)
    return cause if failed[-1] is tries[-1] else f"trying again: {cause}"


def _cause(pod: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> str:
    """Why the pod failed, or what its first failed container says: the later ones only say that it failed."""
    message = str(pod.get("message", ""))
    if not message or _OF_CONTAINER.match(message):
        started = found.get((pod.get("children") or [""])[0], {})
        while started and started.get("phase") not in _FAILED:
            started = found.get((started.get("children") or [""])[0], {})
        message = str(started.get("message") or message)
    return _SIGNAL.sub(_killed, message.rstrip(": "))


def _killed(exit_code: re.Match[str]) -> str:
    """How a container ended that a signal has killed."""
    number = int(exit_code[1]) - 128
    try:
        return f"killed by {signal.Signals(number).name} (exit code {exit_code[1]})"
    except ValueError:
        return exit_code[0]


def _tasks(spec: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Each job's task, and what that depends on; in the order of the file."""
    templates = {each["name"]: each for each in spec.get("templates") or ()}
    entry = templates.get(spec.get("entrypoint", ""), {})
    tasks = (entry.get("dag") or {}).get("tasks")
    if tasks is None:
        tasks = [step for group in entry.get("steps") or () for step in group]
    if not tasks and entry:
        return {entry["name"]: ("", "")}
    return {
        _name(task, templates): (
            task["name"],
            task.get("depends") or " ".join(task.get("dependencies") or ()),
        )
        for task in tasks
    }


def _name(task: Mapping[str, Any], templates: Mapping[str, Mapping[str, Any]]) -> str:
    metadata = templates.get(task.get("template", ""), {}).get("metadata") or {}
    return str((metadata.get("annotations") or {}).get(object_names.JOB) or task["name"])


def _task_nodes(found: Mapping[str, Mapping[str, Any]], run: str) -> Mapping[str, Mapping[str, Any]]:
    """The node of each task of the entrypoint; as "" the run's own, for one without tasks."""
    return {
        "" if key == run else node.get("displayName", key): node
        for key, node in found.items()
        if run in {key, node.get("boundaryID")}
    }


def _parameters(workflow: Object) -> list[dict[str, str]]:
    arguments = (workflow.get("spec") or {}).get("arguments") or {}
    return list(arguments.get("parameters") or ())


def _phase(text: str) -> Phase:
    return _PHASES.get(text) or Phase(text)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _line(text: str) -> str:
    """The last line that says something: a message may hold the end of a log."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
