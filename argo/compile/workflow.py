"""A workflow as one object of Argo: a Workflow, a WorkflowTemplate or a CronWorkflow."""

import json
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from hera.workflows import CronWorkflow, WorkflowTemplate
from hera.workflows import Workflow as HeraWorkflow
from hera.workflows import models as m

from argo import kubernetes_names
from argo.compile.cluster_config import ClusterConfig
from argo.compile.inline_checkouts import inline_checkouts
from argo.compile.names import check_unique, label_value, resource_name, task_name, template_name
from argo.compile.origin import FileOrigin, Kind
from argo.compile.parameters import build_parameters, template_arguments
from argo.compile.pod import SHARED, WorkflowContext, build_template
from argo.compile.security import executor_patch, pod_security_context
from argo.language.model import Job, SharedVolume, Workflow
from job.errors import InputError

TEMPLATES = 200  # what Argo allows in an object and in a DAG
OBJECT_LIMIT = 1 << 20  # bytes of JSON, which the API server stores

_ENTRYPOINT = "workflow"


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

    Raises InputError, located, if the cluster lacks an instance type or Argo can't hold the workflow.
    """
    values = cluster.with_parameters(workflow.inputs, values)
    hera_object = (
        _build_cron(workflow, values, schedule)
        if kind is Kind.CRON
        else _build_workflow(workflow, kind, cluster, origin, values)
    )
    document: dict[str, Any] = hera_object.to_dict()
    size = len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
    if size > OBJECT_LIMIT:
        raise InputError(
            f"{workflow.path}: {size >> 10} KB of JSON, over the 1 MB that Kubernetes stores; "
            "put scripts into files of the repository"
        )
    return document


def _build_workflow(
    workflow: Workflow, kind: Kind, cluster: ClusterConfig, origin: FileOrigin, values: Mapping[str, str]
) -> HeraWorkflow:
    inlined = inline_checkouts(workflow)
    jobs = list(inlined.jobs.values())
    _check_jobs(workflow, jobs)
    url, ref = workflow.event.url or origin.url, workflow.event.ref or origin.ref
    parameters = build_parameters(workflow, values, url, ref)
    textgen = version("argo-textgen")
    lineage = _lineage(workflow, origin, textgen)
    context = WorkflowContext(workflow, inlined, cluster, parameters, textgen, lineage)
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
        entrypoint=_ENTRYPOINT,
        arguments=_hera_parameters(parameters.arguments),
        templates=[
            m.Template(name=_ENTRYPOINT, dag=m.DAGTemplate(tasks=tasks, fail_fast=False)),
            *(build_template(context, job) for job in jobs),
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


def _check_jobs(workflow: Workflow, jobs: list[Job]) -> None:
    """Raise InputError if two jobs have one name for Argo, or if there are too many."""
    places = [(job.name, template_name(job.name), f"{workflow.path}:{job.at.line}") for job in jobs]
    check_unique([(_ENTRYPOINT, _ENTRYPOINT, ""), *places], "the jobs")
    if len(jobs) >= TEMPLATES:
        raise InputError(
            f"{workflow.path}:{jobs[TEMPLATES - 1].at.line}: {len(jobs)} jobs, and Argo takes "
            f"{TEMPLATES - 1} in a workflow; split the file"
        )


def _lineage(workflow: Workflow, origin: FileOrigin, textgen: str) -> dict[str, Any]:
    digest = sha256(workflow.text.encode("utf-8", "surrogateescape")).hexdigest()
    return {
        "workflow": {"name": workflow.name, "file": origin.file, "sha256": digest},
        "runtime": "argo",
        "textgen": textgen,
    }


def _labels(workflow: Workflow, origin: FileOrigin) -> dict[str, str]:
    """By what `kubectl get workflows -l` finds a run."""
    repository = PurePosixPath(origin.url).stem
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
