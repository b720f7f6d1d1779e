"""Argo's Workflow read as a RunRecord, the form that local runs have too."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from argo import kubernetes_names
from argo.cluster.api import Api
from argo.cluster.generation_status import Generation, count_shards
from argo.cluster.objects import Parameter, Task, Template, Workflow, WorkflowNode, WorkflowSpec
from argo.cluster.pods import USUAL_WAITS
from argo.cluster.workflow_nodes import Nodes, explain_retry, find_cause, get_attempts, get_nodes
from argo.runs import JobRecord, Phase, RunRecord
from job.checkout.git import HEADS, is_commit
from job.errors import ClusterError

# Argo's phases that are none of Phase
_PHASES = {"": Phase.PENDING, "Skipped": Phase.OMITTED, "Daemoned": Phase.RUNNING}


def build_run_record(workflow: Workflow, causes: Mapping[str, str] = MappingProxyType({})) -> RunRecord:
    """The run. Works for Workflows that others made, too: their tasks are the jobs.

    causes: by a node's id, why its pod has failed, if that is known better than Argo knows it.
    """
    metadata, status = workflow["metadata"], workflow.get("status") or {}
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    parameters = {each["name"]: each.get("value", "") for each in _parameters(workflow)}
    message = status.get("message", "")
    try:
        nodes = get_nodes(workflow)
    except ClusterError as error:  # whoever lists runs still sees all of them
        nodes, message = {}, str(error)
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
        jobs=_job_records(get_spec(workflow), nodes, metadata["name"], causes),
        phase=_parse_phase(status.get("phase", "")),
        finished=_parse_time(status.get("finishedAt")),
        message=_last_line(message),
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


def get_job_nodes(workflow: Workflow) -> Nodes:
    """The node of each job that has one yet, by the job's name."""
    nodes = _task_nodes(get_nodes(workflow), workflow["metadata"]["name"])
    tasks = _tasks(get_spec(workflow))
    return {job: nodes[task.name] for job, task in tasks.items() if task.name in nodes}


def get_generations(workflow: Workflow) -> dict[str, Generation]:
    """The pods of each job that generates in shards, by the job's name."""
    nodes = get_nodes(workflow)
    tasks = _tasks(get_spec(workflow))
    return {
        job: Generation.read(node, nodes, tasks[job].shards)
        for job, node in get_job_nodes(workflow).items()
        if tasks[job].shards
    }


def _job_records(
    spec: WorkflowSpec, nodes: Nodes, run: str, causes: Mapping[str, str]
) -> dict[str, JobRecord]:
    tasks = _tasks(spec)
    jobs_of_tasks = {task.name: job for job, task in tasks.items()}
    task_nodes = _task_nodes(nodes, run)
    records = {}
    for job, task in tasks.items():
        node = task_nodes.get(task.name)
        needs = tuple(
            jobs_of_tasks[word] for word in re.findall(r"[\w-]+", task.depends) if word in jobs_of_tasks
        )
        if not node:
            records[job] = JobRecord(needs)
        elif task.shards:
            generation = Generation.read(node, nodes, task.shards)
            records[job] = _generation_record(node, generation, nodes, needs, causes)
        else:
            records[job] = _job_record(node, nodes, needs, causes)
    return records


def _job_record(
    node: WorkflowNode, nodes: Nodes, needs: tuple[str, ...], causes: Mapping[str, str]
) -> JobRecord:
    phase = _parse_phase(node.get("phase", ""))
    attempts = get_attempts(node, nodes) or [node]
    last = attempts[-1]
    if phase is Phase.RUNNING:
        message = explain_retry(attempts, nodes)
        if last.get("phase") == "Pending":
            phase = Phase.PENDING  # Argo calls a node with retries Running before its first pod runs
            reason = last.get("message", "")
            message = message if reason in USUAL_WAITS else reason
    elif phase is Phase.SUCCEEDED:
        message = ""  # a pod that came back keeps the message of its first end
    else:
        message = causes.get(last["id"]) or find_cause(last, nodes) or node.get("message", "")
    return _record(node, needs, phase, message)


def _generation_record(
    node: WorkflowNode,
    generation: Generation,
    nodes: Nodes,
    needs: tuple[str, ...],
    causes: Mapping[str, str],
) -> JobRecord:
    phase = _parse_phase(node.get("phase", ""))
    if phase is Phase.RUNNING and not generation.has_begun:
        phase = Phase.PENDING
    message = generation.explain(phase, nodes, causes)
    if not message and phase in {Phase.FAILED, Phase.ERROR}:
        message = node.get("message", "")
    return replace(_record(node, needs, phase, message), progress=generation.add_up())


def _record(node: WorkflowNode, needs: tuple[str, ...], phase: Phase, message: str) -> JobRecord:
    started = None if phase is Phase.OMITTED else _parse_time(node.get("startedAt"))
    parameters = (node.get("outputs") or {}).get("parameters") or ()
    outputs = {each["name"]: each["value"] for each in parameters if each.get("value")}
    return JobRecord(needs, phase, started, _parse_time(node.get("finishedAt")), _last_line(message), outputs)


@dataclass(frozen=True, slots=True)
class _JobTask:
    """A job's task: its name, what it depends on, and how many shards it has, if it is a generation."""

    name: str
    depends: str = ""
    shards: int = 0


def _tasks(spec: WorkflowSpec) -> dict[str, _JobTask]:
    """For each job its task; in the order of the file."""
    templates = {each["name"]: each for each in spec.get("templates") or ()}
    entrypoint = templates.get(spec.get("entrypoint", ""))
    if not entrypoint:
        return {}
    dag = entrypoint.get("dag")
    tasks = dag["tasks"] if dag else [step for group in entrypoint.get("steps") or () for step in group]
    if not tasks:
        return {entrypoint["name"]: _JobTask("")}
    return dict(_read_task(task, templates.get(task.get("template", ""))) for task in tasks)


def _read_task(task: Task, template: Template | None) -> tuple[str, _JobTask]:
    metadata = (template.get("metadata") if template else None) or {}
    job = (metadata.get("annotations") or {}).get(kubernetes_names.JOB)
    depends = task.get("depends") or " ".join(task.get("dependencies") or ())
    return job or task["name"], _JobTask(task["name"], depends, count_shards(template) if job else 0)


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
