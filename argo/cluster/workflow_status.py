"""Argo's Workflow read as a RunRecord, the form that local runs have too."""

import base64
import gzip
import json
import re
import signal
from collections.abc import Mapping
from datetime import datetime

from argo import kubernetes_names
from argo.cluster.api import Api
from argo.cluster.objects import Parameter, Task, Template, Workflow, WorkflowNode, WorkflowSpec
from argo.cluster.pods import USUAL_WAITS
from argo.runs import JobRecord, Phase, RunRecord
from job.checkout.git import HEADS, is_commit

Nodes = Mapping[str, WorkflowNode]  # by id

# Argo's phases that are none of Phase
_PHASES = {"": Phase.PENDING, "Skipped": Phase.OMITTED, "Daemoned": Phase.RUNNING}

_FAILED = {"Failed", "Error"}

# Argo's message on a pod whose container failed: "main: Error (exit code 1): ". The kubelet's look different.
_CONTAINER_FAILED = re.compile(r"[a-z]+: |container deleted")
_SIGNAL_EXIT_CODE = re.compile(r"\bError \(exit code (1[3-9]\d|129)\)")


def build_run_record(workflow: Workflow) -> RunRecord:
    """The run. Works for Workflows that others made, too: their tasks are the jobs."""
    metadata, status = workflow["metadata"], workflow.get("status") or {}
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    parameters = {each["name"]: each.get("value", "") for each in _parameters(workflow)}
    url, ref = (
        parameters.pop(kubernetes_names.GITHUB_URL, ""),
        parameters.pop(kubernetes_names.GITHUB_REF, ""),
    )
    return RunRecord(
        name=metadata["name"],
        workflow=labels.get(kubernetes_names.WORKFLOW, ""),
        file=annotations.get(kubernetes_names.FILE, ""),
        runtime=f"argo:{metadata['namespace']}",
        source="@".join(filter(None, (url, ref))),
        parameters=parameters,
        started=_parse_time(status.get("startedAt")) or datetime.fromisoformat(metadata["creationTimestamp"]),
        jobs=_job_records(get_spec(workflow), get_nodes(workflow), metadata["name"]),
        phase=_parse_phase(status.get("phase", "")),
        finished=_parse_time(status.get("finishedAt")),
        message=_last_line(status.get("message", "")),
        branch=annotations.get(kubernetes_names.BRANCH, "") or _find_branch(ref),
    )


def _find_branch(ref: str) -> str:
    """The branch that a ref names."""
    branch = ref.removeprefix(HEADS)
    return "" if is_commit(ref) or branch.startswith("refs/") else branch


def list_runs(api: Api) -> list[RunRecord]:
    """The namespace's runs that textgen made, newest first. Raises ClusterError."""
    workflows: list[Workflow] = []
    workflows += api.list_items(
        api.workflow_path(), labelSelector=f"{kubernetes_names.MANAGED_BY}={kubernetes_names.MANAGER}"
    )
    return sorted(map(build_run_record, workflows), key=lambda run: run.started, reverse=True)


def get_spec(workflow: Workflow) -> WorkflowSpec:
    """What runs: the Workflow's own spec, or that of the template it refers to as it was at the start."""
    stored = (workflow.get("status") or {}).get("storedWorkflowTemplateSpec")
    return stored or workflow["spec"]


def get_nodes(workflow: Workflow) -> Nodes:
    """The nodes of the run by id; Argo compresses those of a large Workflow."""
    status = workflow.get("status") or {}
    if compressed := status.get("compressedNodes"):
        nodes: dict[str, WorkflowNode] = json.loads(gzip.decompress(base64.b64decode(compressed)))
        return nodes
    return status.get("nodes") or {}


def get_attempts(job: WorkflowNode, nodes: Nodes) -> list[WorkflowNode]:
    """The pods' nodes of a job's node, first to last."""
    if job["type"] != "Retry":
        return [job]
    return [nodes[child] for child in job.get("children") or () if child in nodes]


def get_job_nodes(workflow: Workflow) -> Nodes:
    """The node of each job that has one yet, by the job's name."""
    nodes = _task_nodes(get_nodes(workflow), workflow["metadata"]["name"])
    tasks = _tasks(get_spec(workflow))
    return {job: nodes[task] for job, (task, _) in tasks.items() if task in nodes}


def _job_records(spec: WorkflowSpec, nodes: Nodes, run: str) -> dict[str, JobRecord]:
    tasks = _tasks(spec)
    jobs_of_tasks = {task: job for job, (task, _) in tasks.items()}
    task_nodes = _task_nodes(nodes, run)
    records = {}
    for job, (task, depends) in tasks.items():
        node = task_nodes.get(task)
        needs = tuple(jobs_of_tasks[word] for word in re.findall(r"[\w-]+", depends) if word in jobs_of_tasks)
        records[job] = _job_record(node, nodes, needs) if node else JobRecord(needs)
    return records


def _job_record(node: WorkflowNode, nodes: Nodes, needs: tuple[str, ...]) -> JobRecord:
    phase = _parse_phase(node.get("phase", ""))
    attempts = get_attempts(node, nodes) or [node]
    last = attempts[-1]
    if phase is Phase.RUNNING:
        message = _retry_message(attempts, nodes)
        if last.get("phase") == "Pending":
            phase = Phase.PENDING  # Argo calls a node with retries Running before its first pod runs
            reason = last.get("message", "")
            message = message if reason in USUAL_WAITS else reason
    elif phase is Phase.SUCCEEDED:
        message = ""  # a pod that came back keeps the message of its first end
    else:
        message = _cause(last, nodes) or node.get("message", "")
    started = None if phase is Phase.OMITTED else _parse_time(node.get("startedAt"))
    parameters = (node.get("outputs") or {}).get("parameters") or ()
    outputs = {each["name"]: each["value"] for each in parameters if each.get("value")}
    return JobRecord(needs, phase, started, _parse_time(node.get("finishedAt")), _last_line(message), outputs)


def _retry_message(attempts: list[WorkflowNode], nodes: Nodes) -> str:
    """Why the last attempt that failed did so, and whether there is a new one."""
    failed = [each for each in attempts if each.get("phase") in _FAILED]
    if not failed:
        return ""
    cause = _cause(failed[-1], nodes)
    return cause if failed[-1] is attempts[-1] else f"trying again: {cause}"


def _cause(pod: WorkflowNode, nodes: Nodes) -> str:
    """Why the pod failed: the message of its first failed container, as later ones only fail with it."""
    message = pod.get("message", "")
    if not message or _CONTAINER_FAILED.match(message):
        container = _first_child(pod, nodes)
        while container and container.get("phase") not in _FAILED:
            container = _first_child(container, nodes)
        message = (container.get("message") if container else "") or message
    return _SIGNAL_EXIT_CODE.sub(_name_signal, message.rstrip(": "))


def _first_child(node: WorkflowNode, nodes: Nodes) -> WorkflowNode | None:
    return nodes.get((node.get("children") or [""])[0])


def _name_signal(exit_code: re.Match[str]) -> str:
    """How a container ended that a signal has killed."""
    number = int(exit_code[1]) - 128
    try:
        return f"killed by {signal.Signals(number).name} (exit code {exit_code[1]})"
    except ValueError:
        return exit_code[0]


def _tasks(spec: WorkflowSpec) -> dict[str, tuple[str, str]]:
    """For each job its task, and what that depends on; in the order of the file."""
    templates = {each["name"]: each for each in spec.get("templates") or ()}
    entrypoint = templates.get(spec.get("entrypoint", ""))
    if not entrypoint:
        return {}
    dag = entrypoint.get("dag")
    tasks = dag["tasks"] if dag else [step for group in entrypoint.get("steps") or () for step in group]
    if not tasks:
        return {entrypoint["name"]: ("", "")}
    return {
        _job_name(task, templates): (
            task["name"],
            task.get("depends") or " ".join(task.get("dependencies") or ()),
        )
        for task in tasks
    }


def _job_name(task: Task, templates: Mapping[str, Template]) -> str:
    template = templates.get(task.get("template", ""))
    metadata = (template.get("metadata") if template else None) or {}
    return (metadata.get("annotations") or {}).get(kubernetes_names.JOB) or task["name"]


def _task_nodes(nodes: Nodes, run: str) -> Nodes:
    """The node of each task of the entrypoint; under "" the run's own, for a run without tasks."""
    return {
        "" if key == run else node.get("displayName", key): node
        for key, node in nodes.items()
        if run in {key, node.get("boundaryID")}
    }


def _parameters(workflow: Workflow) -> list[Parameter]:
    return (workflow["spec"].get("arguments") or {}).get("parameters") or []


def _parse_phase(text: str) -> Phase:
    return _PHASES.get(text) or Phase(text)


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _last_line(text: str) -> str:
    """The last line that is not empty: a message may hold the end of a log."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
