"""What `textgen lint` says of a workflow on a cluster, whose configuration it does not know."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from argo.compile.check import OBJECT_LIMIT, find_problems
from argo.compile.cluster_config import ClusterConfig
from argo.compile.compiled_job import CompiledJob, WorkflowContext, make_context
from argo.compile.main_container import starts_with_shell
from argo.compile.origin import FileOrigin, Kind
from argo.language import check
from argo.language.diagnostics import CODES, Diagnostic, WorkflowError
from argo.language.model import Container, Workflow
from job.text import quoted

# Bytes of JSON, at most: of a pod beside its texts, and of an input or output of a job.
_POD, _MOUNT = 8 << 10, 1 << 10

# Images whose entrypoint sets the environment up: they activate conda, or check and link the GPU's libraries.
_NEEDS_ENTRYPOINT = re.compile(
    r"((docker\.io/)?(mambaorg/micromamba|continuumio/(mini|ana)conda3|condaforge/\w+|rapidsai/[\w-]+"
    r"|jupyter/[\w-]+|nvidia/cuda)|quay\.io/(jupyter|condaforge)/[\w-]+|nvcr\.io/nvidia/[\w./-]+)([:@].*)?"
)


def lint(path: Path) -> list[Diagnostic]:
    """All that is wrong with the file at `path` (`-`: standard input), here or on a cluster."""
    checked = check(path)
    diagnostics = list(checked.diagnostics)
    if checked.workflow:
        diagnostics += _lint_for_cluster(checked.workflow)
    return sorted(diagnostics, key=lambda each: (each.position.line, each.position.column))


def _lint_for_cluster(workflow: Workflow) -> list[Diagnostic]:
    """Warnings of what a cluster refuses or does otherwise, if its configuration file is empty."""
    context = make_context(workflow, ClusterConfig(), FileOrigin(workflow.path.name), {})
    compiled, problems = find_problems(context)
    if not problems and _bound_size(context, compiled) > OBJECT_LIMIT:
        problems = _measure(context)
    return [*problems, *find_skipped_entrypoints(workflow, context.cluster)]


def find_skipped_entrypoints(workflow: Workflow, cluster: ClusterConfig) -> Iterator[Diagnostic]:
    """A warning for each job whose command replaces an entrypoint that its image is known to need."""
    for job in workflow.jobs.values():
        action = job.action
        if (
            isinstance(action, Container)
            and starts_with_shell(action)
            and action.image not in cluster.entrypoints
            and _NEEDS_ENTRYPOINT.fullmatch(action.image)
        ):
            code = "skipped-entrypoint"
            message = (
                f"a cluster starts {quoted(action.args[0])} without the entrypoint of {quoted(action.image)}"
            )
            hint = "name the image under `entrypoints` of the cluster configuration file"
            yield Diagnostic(code, CODES[code][0], workflow.path, job.at, f"jobs.{job.name}", message, hint)


def _bound_size(context: WorkflowContext, compiled: list[CompiledJob]) -> int:
    """The most bytes of JSON that the object has. To build it takes Hera, which is slow to import."""
    size = _POD
    for name, value in context.parameters.arguments.items():
        size += len(name) + _size(value or "") + _MOUNT
    for each in compiled:
        job = each.job
        size += _POD + sum(map(_size, each.texts())) + _MOUNT * (len(job.inputs) + len(job.outputs))
        size += _MOUNT * (len(job.env) + len(job.registries)) + sum(len(need) + 16 for need in job.needs)
    return size


def _size(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _measure(context: WorkflowContext) -> list[Diagnostic]:
    from argo.compile.workflow import build

    try:
        build(context.workflow, Kind.WORKFLOW, context.cluster, FileOrigin(context.workflow.path.name))
    except WorkflowError as error:
        return [replace(each, severity=CODES[each.code][0]) for each in error.diagnostics]
    return []
