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

from argo import object_names
from argo.compile import names, parameters, pod, security
from argo.compile.cluster_config import ClusterConfig
from argo.compile.inline_checkouts import fold
from argo.compile.origin import FileOrigin, Kind
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
    made = (
        _cron(workflow, values, schedule)
        if kind is Kind.CRON
        else _workflow(workflow, kind, cluster, origin, values)
    )
    document: dict[str, Any] = made.to_dict()
    size = len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
    if size > OBJECT_LIMIT:
        raise InputError(
            f"{workflow.path}: {size >> 10} KB of JSON, over the 1 MB that Kubernetes stores; "
            "put scripts into files of the repository"
        )
    return document


def _workflow(
    workflow: Workflow, kind: Kind, cluster: ClusterConfig, origin: FileOrigin, values: Mapping[str, str]
) -> HeraWorkflow:
    folded = fold(workflow)
    jobs = list(folded.jobs.values())
    _check(workflow, jobs)
    given = parameters.of(
        workflow, values, workflow.event.url or origin.url, workflow.event.ref or origin.ref
    )
    context = pod.Context(
        workflow,
        folded,
        cluster,
        given,
        cluster.image(pod.IMAGE.format(version=version("argo-textgen"))),
        _lineage(workflow, origin),
    )
    tasks = [
        m.DAGTask(
            name=names.task(job.name),
            template=names.template(job.name),
            depends=" && ".join(names.task(need) for need in job.needs) or None,
        )
        for job in jobs
    ]
    name = names.resource(workflow.name)
    is_template = kind is Kind.TEMPLATE
    make = WorkflowTemplate if is_template else HeraWorkflow
    labels = _labels(workflow, origin)
    annotations = {object_names.FILE: origin.file}
    if origin.url:
        annotations[object_names.REPOSITORY] = origin.url
    shared = any(isinstance(each.source, SharedVolume) for job in jobs for each in job.inputs.values())
    registries = dict.fromkeys(registry for job in jobs for registry in job.registries)
    ref = f"workflow.parameters['{object_names.GITHUB_REF}']"
    return make(
        name=name if is_template else None,
        generate_name=None if is_template else f"{name}-",
        labels=labels,
        annotations=annotations,
        workflow_metadata=m.WorkflowMetadata.model_validate(
            {
                **({"labels": labels, "annotations": annotations} if is_template else {}),
                # a branch may hold what a label can't, and 64 digits are more than its 63 characters
                "labelsFrom": {
                    object_names.COMMIT: {"expression": f"{ref} matches '^[0-9a-f]{{40}}$' ? {ref} : ''"}
                },
            }
        ),
        entrypoint=_ENTRYPOINT,
        arguments=given.arguments,
        templates=[
            m.Template(name=_ENTRYPOINT, dag=m.DAGTemplate(tasks=tasks, fail_fast=False)),
            *(pod.template(context, j) for j in jobs),
        ],
        service_account_name=object_names.SERVICE_ACCOUNT,
        automount_service_account_token=False,
        executor=m.ExecutorConfig(service_account_name=object_names.EXECUTOR_ACCOUNT),
        security_context=security.pod(cluster.security),
        pod_spec_patch=security.executor(),
        archive_logs=True,
        artifact_repository_ref=m.ArtifactRepositoryRef(
            config_map=object_names.ARTIFACT_REPOSITORIES, key=object_names.ARTIFACT_REPOSITORY
        ),
        image_pull_secrets=[
            m.LocalObjectReference(name=cluster.pull_secrets.get(each, names.resource(each)))
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


def _cron(workflow: Workflow, values: Mapping[str, str], schedule: str | None) -> CronWorkflow:
    if not schedule:
        raise InputError("--kind cron needs --schedule, for example --schedule '0 3 * * *'")
    name = names.resource(workflow.name)
    return CronWorkflow(
        name=name,
        labels={object_names.WORKFLOW: names.label(workflow.name)},
        schedules=[schedule],
        concurrency_policy="Forbid",
        workflow_template_ref=m.WorkflowTemplateRef(name=name),
        arguments=parameters.given(values) or None,
    )


def _check(workflow: Workflow, jobs: list[Job]) -> None:
    where = [(job.name, names.template(job.name), f"{workflow.path}:{job.at.line}") for job in jobs]
    names.unique([(_ENTRYPOINT, _ENTRYPOINT, ""), *where], "the jobs")
    if len(jobs) >= TEMPLATES:
        raise InputError(
            f"{workflow.path}:{jobs[TEMPLATES - 1].at.line}: {len(jobs)} jobs, and Argo takes "
            f"{TEMPLATES - 1} in a workflow; split the file"
        )


def _lineage(workflow: Workflow, origin: FileOrigin) -> dict[str, Any]:
    digest = sha256(workflow.text.encode("utf-8", "surrogateescape")).hexdigest()
    return {
        "workflow": {"name": workflow.name, "file": origin.file, "sha256": digest},
        "runtime": "argo",
        "textgen": version("argo-textgen"),
    }


def _labels(workflow: Workflow, origin: FileOrigin) -> dict[str, str]:
    """By what `kubectl get workflows -l` finds a run."""
    repository = PurePosixPath(origin.url).stem
    return {
        object_names.MANAGED_BY: object_names.MANAGER,
        object_names.WORKFLOW: names.label(workflow.name),
        **({object_names.REPOSITORY: names.label(repository)} if repository else {}),
        **{
            f"{object_names.DATASET_PREFIX}{names.label(output.dataset.name)}": names.label(
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
            "metadata": {"name": pod.SHARED},
            "spec": {
                "accessModes": [shared.access_mode],
                "storageClassName": shared.storage_class,
                "resources": {"requests": {"storage": shared.size}},
            },
        }
    )
