"""A job as a template: one pod, with textgen's containers around the job's own.

store                from the start to the end: keeps the log; stores volumes, strings and dataset versions
inputs | checkout    before the job: folders, inputs, the script
main                 the file's image
commit               after a success only: asks `store` for that, and ends as it says

Where `main` runs textgen's own command (generate@v1), it asks at its end. Where `inputs` has done all of the
job (git-checkout, s3-download, create-model, a generation's join), `main` is what `commit` is elsewhere.

Credentials of the store are in `store` and `inputs` | `checkout` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hera.workflows import models as m

from argo import kubernetes_names
from argo.compile.compiled_job import CompiledJob, WorkflowContext
from argo.compile.environment import GIT_FOLDER, ConfigMapKey, Environment, PodField, SecretKey
from argo.compile.generation import INDEX, JOIN, PLAN, SHARD, TEXTS, part_template_name
from argo.compile.main_container import MainContainer
from argo.compile.names import label_value, parameter_name, template_name
from argo.compile.resources import GPU_PRODUCT, Resources, Scheduling, schedule_job
from argo.compile.retry_strategy import RETRY_STRATEGY, SHARD_RETRY_STRATEGY
from argo.compile.security import RESTRICTED_CONTEXT, main_security_context
from argo.compile.volumes import list_volumes, main_mounts, mount, shared_mounts
from argo.language.model import Generate, Job
from job.pod.outputs import DatasetOutput, JoinOutput, ModelOutput, Output, PlanOutput
from job.pod.spec import API, HANDOFF, NOTES, VERDICT, VERSIONS

IMAGE = "textgen:{version}"  # of textgen's containers: job/ without torch

# Of textgen's containers. Those of `store` and `commit` add to each job's own.
_INPUTS_RESOURCES = Resources({"cpu": "50m", "memory": "128Mi"}, {"memory": "2Gi"})
_STORE_RESOURCES = Resources({"cpu": "50m", "memory": "64Mi"}, {"memory": "2Gi"})
_PLAN_RESOURCES = Resources({"cpu": "100m", "memory": "256Mi"}, {"memory": "2Gi"})
_COMMIT_RESOURCES = Resources({"cpu": "10m", "memory": "32Mi"}, {"memory": "256Mi"})

_COMMIT = ["python3", "-m", "job", "commit"]
_VERDICT_MOUNT = m.VolumeMount(name="verdict", mount_path=str(VERDICT), read_only=True)

# AWS gives the account's identity, and with it the store, to every container that this does not name.
_WITHOUT_IDENTITY = {"eks.amazonaws.com/skip-containers": "init,wait,main,commit"}


@dataclass(frozen=True, slots=True)
class _PodContainer:
    """A container, before Hera has it as one of its kinds."""

    name: str
    image: str
    command: list[str] | None
    args: list[str] | None
    env: Environment
    resources: Resources
    security_context: Mapping[str, Any] | None
    mounts: list[m.VolumeMount]
    termination_message_policy: str | None = None

    def fields(self) -> dict[str, Any]:
        """The fields that all those kinds have."""
        return {
            "name": self.name,
            "image": self.image,
            "command": self.command,
            "args": self.args,
            "env": [_env_var(name, value) for name, value in self.env.items()],
            "resources": {"requests": self.resources.requests, "limits": self.resources.limits},
            "security_context": self.security_context,
            "volume_mounts": self.mounts,
            "termination_message_policy": self.termination_message_policy,
        }


def build_template(context: WorkflowContext, compiled: CompiledJob) -> m.Template:
    """The job's template."""
    job = compiled.job
    commit = _commit_container(context, compiled) if compiled.commit_environment else None
    if compiled.main:
        is_plan = compiled.part == PLAN
        scheduling = Scheduling(_PLAN_RESOURCES) if is_plan else schedule_job(job, context.cluster)
        main = _main_container(context, job, compiled.main, scheduling)
    else:  # `inputs` does it all
        scheduling = Scheduling(_COMMIT_RESOURCES)
        command = _COMMIT if commit else ["true"]
        main = _textgen_container(context, "main", command, {}, _COMMIT_RESOURCES, [])
    if commit and compiled.commits_in_main:
        mounts = [*main.mounts, *commit.mounts, _VERDICT_MOUNT]
        main, commit = replace(main, env={**main.env, **commit.env}, mounts=mounts), None
    inputs: _PodContainer | None = None
    if compiled.inputs_environment:
        inputs = _inputs_container(context, compiled)
        if not compiled.main:
            inputs.mounts.extend(shared_mounts(job))
    store = _store_container(context, compiled)
    if not commit:
        main.mounts.extend(shared_mounts(job))
    init_containers = [m.UserContainer(**store.fields(), restart_policy="Always")]
    if inputs:
        init_containers.append(m.UserContainer(**inputs.fields()))
    return m.Template(
        name=part_template_name(job, compiled.part),
        inputs=_shard_parameters() if compiled.part == SHARD else None,
        metadata=m.Metadata(
            labels={kubernetes_names.JOB: label_value(job.name)},
            annotations={
                kubernetes_names.JOB: job.name,
                **_WITHOUT_IDENTITY,
                **scheduling.annotations,
                **_progress_annotation(context, compiled),
            },
        ),
        init_containers=init_containers,
        container=None if commit else m.Container(**main.fields()),
        container_set=_container_set(job, main, commit) if commit else None,
        outputs=_version_parameters(compiled.outputs),
        volumes=list_volumes(context.cluster, clones=compiled.clones),
        node_selector=dict(scheduling.node_selector) or None,
        tolerations=[m.Toleration.model_validate(dict(each)) for each in scheduling.tolerations] or None,
        affinity=_affinity(scheduling.preferred_gpus),
        retry_strategy=m.RetryStrategy.model_validate(
            SHARD_RETRY_STRATEGY if compiled.part == SHARD else RETRY_STRATEGY
        ),
    )


def build_generation_template(job: Job, action: Generate) -> m.Template:
    """The job as a DAG: its plan, its shards, their join."""
    tasks = [
        m.DAGTask(name=PLAN, template=part_template_name(job, PLAN)),
        m.DAGTask(
            name=SHARD,
            template=part_template_name(job, SHARD),
            depends=PLAN,
            with_sequence=m.Sequence.model_validate({"count": str(action.shards)}),
            arguments=m.Arguments(
                parameters=[
                    m.Parameter(name=INDEX, value="{{item}}"),
                    m.Parameter(name=TEXTS, value=f"{{{{tasks.{PLAN}.outputs.parameters.{TEXTS}}}}}"),
                ]
            ),
        ),
        m.DAGTask(name=JOIN, template=part_template_name(job, JOIN), depends=SHARD),
    ]
    version = parameter_name(action.output)
    source = {"parameter": f"{{{{tasks.{JOIN}.outputs.parameters.{version}}}}}", "default": ""}
    return m.Template(
        name=template_name(job.name),
        metadata=m.Metadata(annotations={kubernetes_names.JOB: job.name}),
        dag=m.DAGTemplate(tasks=tasks, fail_fast=False),
        parallelism=action.parallelism,
        outputs=m.Outputs(
            parameters=[m.Parameter(name=version, value_from=m.ValueFrom.model_validate(source))]
        ),
    )


def _container_set(job: Job, main: _PodContainer, commit: _PodContainer) -> m.ContainerSetTemplate:
    nodes = [m.ContainerNode(**main.fields()), m.ContainerNode(**commit.fields(), dependencies=["main"])]
    # Argo looks at the set alone for a claim's users, and for files that outlive `main`
    return m.ContainerSetTemplate(containers=nodes, volume_mounts=[*shared_mounts(job), _VERDICT_MOUNT])


def _shard_parameters() -> m.Inputs:
    return m.Inputs(parameters=[m.Parameter(name=INDEX), m.Parameter(name=TEXTS)])


def _progress_annotation(context: WorkflowContext, compiled: CompiledJob) -> dict[str, str]:
    """How many texts a shard has, until it says so itself: as Argo shows it (`0/N`), once a minute.

    Shards differ by at most one text; the first ones have more (job.generate.shards.plan).
    """
    action = context.inlined.jobs[compiled.job.name].action
    if compiled.part != SHARD or not isinstance(action, Generate):
        return {}
    texts, index = (f"asInt(inputs.parameters.{name})" for name in (TEXTS, INDEX))
    share = f"int(({texts} + {action.shards - 1} - {index}) / {action.shards})"
    return {kubernetes_names.ARGO_PROGRESS: f"0/{{{{={share}}}}}"}


def _version_parameters(outputs: Mapping[str, Output]) -> m.Outputs | None:
    """For `argo get` and `kubectl get workflow -o yaml`: the versions of a job, the texts of a plan."""
    parameters = [
        m.Parameter(
            name=TEXTS if isinstance(output, PlanOutput) else parameter_name(name),
            value_from=m.ValueFrom.model_validate({"path": f"{VERSIONS}/{name}", "default": ""}),
        )
        for name, output in outputs.items()
        if isinstance(output, DatasetOutput | ModelOutput | JoinOutput | PlanOutput)
    ]
    return m.Outputs(parameters=parameters) if parameters else None


def _inputs_container(context: WorkflowContext, compiled: CompiledJob) -> _PodContainer:
    mounts = [mount("inputs"), mount("outputs"), m.VolumeMount(name="notes", mount_path=str(NOTES))]
    if compiled.clones:
        mounts.append(m.VolumeMount(name="git", mount_path=GIT_FOLDER, read_only=True))
    name, environment = compiled.inputs_name, compiled.inputs_environment
    return _textgen_container(
        context, name, ["python3", "-m", "job", "inputs"], environment, _INPUTS_RESOURCES, mounts
    )


def _main_container(
    context: WorkflowContext, job: Job, container: MainContainer, scheduling: Scheduling
) -> _PodContainer:
    return _PodContainer(
        "main",
        container.image,
        container.command,
        container.args,
        container.env,
        scheduling.resources,
        main_security_context(context.cluster.security),
        main_mounts(context.cluster, job),
    )


def _store_container(context: WorkflowContext, compiled: CompiledJob) -> _PodContainer:
    """It writes nowhere that `main` can write, and of that reads /outputs alone."""
    mounts = [
        mount("outputs", read_only=True),
        m.VolumeMount(name="notes", mount_path=str(NOTES), read_only=True),
        m.VolumeMount(name="handoff", mount_path=str(HANDOFF), read_only=True),
        m.VolumeMount(name="verdict", mount_path=str(VERDICT)),
        m.VolumeMount(name="api", mount_path=str(API), read_only=True),
    ]
    if any(isinstance(output, ModelOutput) for output in compiled.outputs.values()):
        mounts.insert(0, mount("inputs", read_only=True))  # the model; `main` is textgen's
    command = ["python3", "-m", "job", "store"]
    return _textgen_container(context, "store", command, compiled.store_environment, _STORE_RESOURCES, mounts)


def _commit_container(context: WorkflowContext, compiled: CompiledJob) -> _PodContainer:
    mounts = [m.VolumeMount(name="handoff", mount_path=str(HANDOFF))]
    environment = compiled.commit_environment
    return _textgen_container(context, "commit", _COMMIT, environment, _COMMIT_RESOURCES, mounts)


def _textgen_container(
    context: WorkflowContext,
    name: str,
    command: list[str],
    environment: Environment,
    resources: Resources,
    mounts: list[m.VolumeMount],
) -> _PodContainer:
    """A container of textgen's, which passes Pod Security "restricted" and asks for little."""
    return _PodContainer(
        name,
        context.cluster.image(IMAGE.format(version=context.textgen)),
        command,
        None,
        environment,
        resources,
        RESTRICTED_CONTEXT,
        mounts,
        "FallbackToLogsOnError",  # the node's message says what was wrong
    )


def _env_var(name: str, value: str | SecretKey | ConfigMapKey | PodField) -> m.EnvVar:
    match value:
        case SecretKey(secret, key, optional):
            selector = m.SecretKeySelector(name=secret, key=key, optional=optional or None)
            source = m.EnvVarSource(secret_key_ref=selector)
        case ConfigMapKey(config_map, key):
            source = m.EnvVarSource(config_map_key_ref=m.ConfigMapKeySelector(name=config_map, key=key))
        case PodField(path):
            source = m.EnvVarSource(field_ref=m.ObjectFieldSelector(field_path=path))
        case str():
            return m.EnvVar(name=name, value=value)
    return m.EnvVar(name=name, value_from=source)


def _affinity(preferred_gpus: tuple[str, ...]) -> m.Affinity | None:
    """Nodes with these GPUs first; hardly a cluster has a Quadro, so any GPU will do."""
    if not preferred_gpus:
        return None
    is_preferred = m.NodeSelectorRequirement(key=GPU_PRODUCT, operator="In", values=list(preferred_gpus))
    preference = m.NodeSelectorTerm(match_expressions=[is_preferred])
    term = m.PreferredSchedulingTerm(weight=100, preference=preference)
    return m.Affinity(
        node_affinity=m.NodeAffinity(preferred_during_scheduling_ignored_during_execution=[term])
    )
