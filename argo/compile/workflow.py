"""A workflow as one object of Argo: a Workflow, a WorkflowTemplate or a CronWorkflow."""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hera.workflows import CronWorkflow, WorkflowTemplate
from hera.workflows import Workflow as HeraWorkflow
from hera.workflows import models as m

from argo import kubernetes_names
from argo.compile.check import ENTRYPOINT, check_size, find_problems
from argo.compile.cluster_config import ClusterConfig
from argo.compile.compiled_job import make_context
from argo.compile.names import label_value, resource_name, task_name, template_name
from argo.compile.origin import FileOrigin, Kind
from argo.compile.parameters import template_arguments
from argo.compile.pod import build_generation_template, build_template
from argo.compile.schedule import check_schedule
from argo.compile.security import executor_patch, pod_security_context
from argo.compile.volumes import SHARED
from argo.language import bind_inputs
from argo.language.diagnostics import Diagnostic, Severity, WorkflowError
from argo.language.model import Generate, SharedVolume, Workflow
from argo.repository import repository_name
from job.errors import InputError


def build(
    workflow: Workflow,
    kind: Kind,
    cluster: ClusterConfig,
    origin: FileOrigin,
    *,
    values: Mapping[str, str] = MappingProxyType({}),
    schedule: str | None = None,
) -> dict[str, Any]:
    """The object as the API server takes it; `values` win over the cluster's parameters.

    Raises WorkflowError with all that the cluster can't run of the file (argo.compile.check), and InputError
    for a value or a schedule that is not valid.
    """
    values = cluster.with_parameters(workflow.inputs, values)
    hera_object = (
        _build_cron(workflow, values, schedule)
        if kind is Kind.CRON
        else _build_workflow(workflow, kind, cluster, origin, values)
    )
    document: dict[str, Any] = hera_object.to_dict()
    size = len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
    if problem := check_size(workflow, size):
        raise _refuse([problem])
    return document


def _refuse(problems: list[Diagnostic]) -> WorkflowError:
    """What a file is refused for here, though it runs elsewhere."""
    return WorkflowError(tuple(replace(each, severity=Severity.ERROR) for each in problems))


def _build_workflow(
    workflow: Workflow, kind: Kind, cluster: ClusterConfig, origin: FileOrigin, values: Mapping[str, str]
) -> HeraWorkflow:
    context = make_context(workflow, cluster, origin, values)
    compiled, problems = find_problems(context)
    if problems:
        raise _refuse(problems)
    jobs = list(context.inlined.jobs.values())
    tasks = [
        m.DAGTask(
            name=task_name(job.name),
            template=template_name(job.name),
            depends=" && ".join(task_name(need) for need in job.needs) or None,
        )
        for job in jobs
    ]
    name = resource_name(workflow.name)
    is_template = kind is Kind.TEMPLATE
    hera_class = WorkflowTemplate if is_template else HeraWorkflow
    labels = _labels(workflow, origin)
    annotations = {kubernetes_names.FILE: origin.file}
    if origin.url:
        annotations[kubernetes_names.REPOSITORY] = origin.url
    shared = any(isinstance(each.source, SharedVolume) for job in jobs for each in job.inputs.values())
    registries = dict.fromkeys(registry for job in jobs for registry in job.registries)
    ref_parameter = f"workflow.parameters['{kubernetes_names.GITHUB_REF}']"
    return hera_class(
        name=name if is_template else None,
        generate_name=None if is_template else f"{name}-",
        labels=labels,
        annotations=annotations,
        workflow_metadata=m.WorkflowMetadata.model_validate(
            {
                **({"labels": labels, "annotations": annotations} if is_template else {}),
                # a branch may hold what a label can't, and 64 digits are more than its 63 characters
                "labelsFrom": {
                    kubernetes_names.COMMIT: {
                        "expression": f"{ref_parameter} matches '^[0-9a-f]{{40}}$' ? {ref_parameter} : ''"
                    }
                },
            }
        ),
        entrypoint=ENTRYPOINT,
        arguments=_hera_parameters(context.parameters.arguments),
        templates=[
            m.Template(name=ENTRYPOINT, dag=m.DAGTemplate(tasks=tasks, fail_fast=False)),
            *(build_generation_template(job, job.action) for job in jobs if isinstance(job.action, Generate)),
            *(build_template(context, each) for each in compiled),
        ],
        service_account_name=kubernetes_names.SERVICE_ACCOUNT,
        automount_service_account_token=False,
        executor=m.ExecutorConfig(service_account_name=kubernetes_names.EXECUTOR_ACCOUNT),
        security_context=m.PodSecurityContext.model_validate(pod_security_context(cluster.security)),
        pod_spec_patch=executor_patch(),
        # `store` keeps the logs. Without a repository of its own, the workflow would have the cluster's
        # default one, whose keys Argo mounts into a container that follows links of the job.
        archive_logs=False,
        artifact_repository_ref=m.ArtifactRepositoryRef(
            config_map=kubernetes_names.ARTIFACT_REPOSITORIES, key=kubernetes_names.ARTIFACT_REPOSITORY
        ),
        image_pull_secrets=[
            m.LocalObjectReference(name=cluster.pull_secrets.get(each, resource_name(each)))
            for each in registries
        ]
        or None,
        active_deadline_seconds=cluster.deadline,
        ttl_strategy=m.TTLStrategy(seconds_after_completion=cluster.keep),
        # a day for kubectl logs; a failed run keeps its pods as long as itself
        pod_gc=m.PodGC(strategy="OnWorkflowSuccess", delete_delay_duration="24h"),
        volume_claim_templates=[_claim(cluster)] if shared else None,
        volume_claim_gc=m.VolumeClaimGC(strategy="OnWorkflowCompletion") if shared else None,
    )


def _build_cron(workflow: Workflow, values: Mapping[str, str], schedule: str | None) -> CronWorkflow:
    if not schedule:
        raise InputError("--kind cron needs --schedule, for example --schedule '0 3 * * *'")
    check_schedule(schedule)
    event = {kubernetes_names.GITHUB_URL, kubernetes_names.GITHUB_REF}
    bind_inputs(workflow, {name: value for name, value in values.items() if name not in event})
    name = resource_name(workflow.name)
    return CronWorkflow(
        name=name,
        labels={kubernetes_names.WORKFLOW: label_value(workflow.name)},
        schedules=[schedule],
        concurrency_policy="Forbid",
        workflow_template_ref=m.WorkflowTemplateRef(name=name),
        arguments=_hera_parameters(template_arguments(values)) or None,
    )


def _hera_parameters(values: Mapping[str, str | None]) -> list[m.Parameter]:
    return [m.Parameter.model_validate({"name": name, "value": value}) for name, value in values.items()]


def _labels(workflow: Workflow, origin: FileOrigin) -> dict[str, str]:
    """By what `kubectl get workflows -l` finds a run."""
    repository = repository_name(origin.url)
    return {
        kubernetes_names.MANAGED_BY: kubernetes_names.MANAGER,
        kubernetes_names.WORKFLOW: label_value(workflow.name),
        **({kubernetes_names.REPOSITORY: label_value(repository)} if repository else {}),
        **{
            f"{kubernetes_names.DATASET_PREFIX}{label_value(output.dataset.name)}": label_value(
                output.dataset.namespace
            )
            for job in workflow.jobs.values()
            for output in job.outputs.values()
            if output.dataset
        },
    }


def _claim(cluster: ClusterConfig) -> m.PersistentVolumeClaim:
    shared = cluster.shared
    return m.PersistentVolumeClaim.model_validate(
        {
            "metadata": {"name": SHARED},
            "spec": {
                "accessModes": [shared.access_mode],
                "storageClassName": shared.storage_class,
                "resources": {"requests": {"storage": shared.size}},
            },
        }
    )
