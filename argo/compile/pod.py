"""A job as a template: one pod, with textgen's containers before and after the job's own.

inputs | checkout    init container: folders, inputs, the script
main                 the file's image; for git-checkout, s3-download and create-model, textgen's
commit               after a success only: volumes and strings to the store, then dataset versions
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hera.workflows import models as m

from argo import object_names
from argo.compile.cluster_config import ClusterConfig
from argo.compile.environment import STORE_ENVIRONMENT, ConfigMapKey, Environment, PodField, SecretKey
from argo.compile.escaping import ARGUMENT_LIMIT, template_safe_json
from argo.compile.inline_checkouts import InlinedWorkflow
from argo.compile.main_container import MainContainer, build_main_container
from argo.compile.names import label_value, parameter_name, template_name
from argo.compile.parameters import Parameters
from argo.compile.resources import GPU_PRODUCT, Resources, Scheduling, schedule_job
from argo.compile.security import RESTRICTED_CONTEXT, main_security_context
from argo.compile.specs import build_commit_spec, build_inputs_spec
from argo.language.model import Container, Job, Script, SharedVolume, Type, Workflow
from job.errors import InputError
from job.pod.spec import (
    INPUTS,
    NOTES,
    SPEC,
    VERSIONS,
    CheckoutStep,
    CommitSpec,
    DatasetOutput,
    InputsSpec,
    ModelOutput,
    Output,
)

IMAGE = "textgen:{version}"  # of textgen's containers: job/ without torch
SHARED = "shared"  # the volume for the legacy dialect's shared volumes

# Where the Secret of the linked repository is, as files
GIT_FOLDER = "/var/run/secrets/textgen-git"
GIT_SSH_COMMAND = (
    f"ssh -oBatchMode=yes -i {GIT_FOLDER}/ssh-privatekey -oUserKnownHostsFile={GIT_FOLDER}/known_hosts"
)
_CLAIMS = {"storage": "/storage", "cache": "/cache"}

# Of textgen's containers
_TEXTGEN_RESOURCES = Resources({"cpu": "50m", "memory": "128Mi"}, {"memory": "2Gi"})

# What says that the node was lost, and not that the job failed. Of a pod that is deleted, Argo may see
# first that its containers were told to end (SIGTERM); a job that ends so by itself has 64 from `commit`.
# An API server that has just started refuses Argo's executor what it allows a second later.
_LOST = (
    "imminent node shutdown|pod deleted|[Pp]reempt|low on resource|[Nn]ode.?[Ll]ost|Pod was rejected"
    "|^[a-z]+: Error [(]exit code 143[)]|^wait: .* is forbidden: User "
)


@dataclass(frozen=True, slots=True)
class WorkflowContext:
    """What all jobs of a workflow share. `textgen` is this version; `lineage` goes into every version."""

    workflow: Workflow
    inlined: InlinedWorkflow
    cluster: ClusterConfig
    parameters: Parameters
    textgen: str
    lineage: Mapping[str, Any]


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


def build_template(context: WorkflowContext, job: Job) -> m.Template:
    """The job's template. Raises InputError, at the job, for what a pod can't hold."""
    position = f"{context.workflow.path}:{job.at.line}"
    spec, variables = build_inputs_spec(context.inlined, context.parameters, job, context.textgen)
    clones = any(isinstance(step, CheckoutStep) for step in spec.steps.values())
    init: _PodContainer | None = None
    scheduling = Scheduling(_TEXTGEN_RESOURCES)
    if isinstance(job.action, Container | Script):
        container = build_main_container(job, job.action, context.cluster, position)
        scheduling = schedule_job(context.workflow, job, context.cluster)
        spec = replace(spec, files=container.files, main=container.stored_command)
        if spec.steps or spec.folders or spec.files or spec.main:
            name = "checkout" if clones else "inputs"
            variables = {**variables, **container.variables}
            init = _inputs_container(context, name, spec, variables, clones=clones)
        main = _main_container(context, job, container, scheduling)
    else:
        main = _inputs_container(context, "main", spec, variables, clones=clones)
    commit_spec, variables = _commit_spec(context, job)
    commit = _commit_container(context, commit_spec, variables) if commit_spec.outputs else None
    for pod_container in filter(None, (init, main, commit)):
        _check_sizes(pod_container, f"{position}: job {job.name!r}")
    if not commit:
        main.mounts.extend(_shared_mounts(job))
    return m.Template(
        name=template_name(job.name),
        metadata=m.Metadata(
            labels={object_names.JOB: label_value(job.name)},
            annotations={object_names.JOB: job.name, **scheduling.annotations},
        ),
        init_containers=[m.UserContainer(**init.fields())] if init else None,
        container=None if commit else m.Container(**main.fields()),
        container_set=_container_set(job, main, commit) if commit else None,
        outputs=_version_parameters(commit_spec.outputs),
        volumes=_volumes(context, clones=clones),
        node_selector=dict(scheduling.node_selector) or None,
        tolerations=[m.Toleration.model_validate(dict(each)) for each in scheduling.tolerations] or None,
        affinity=_affinity(scheduling.preferred_gpus),
        retry_strategy=_retry_strategy(),
    )


def _check_sizes(container: _PodContainer, where: str) -> None:
    """Raise InputError if Linux would not start the container."""
    texts = [*(container.command or ()), *(container.args or ())]
    texts += [f"{name}={value}" for name, value in container.env.items() if isinstance(value, str)]
    if any(len(text.encode()) >= ARGUMENT_LIMIT for text in texts):
        raise InputError(
            f"{where}: its script or texts are over {ARGUMENT_LIMIT >> 10} KB, "
            "more than a container is started with; put them into files of the repository"
        )


def _container_set(job: Job, main: _PodContainer, commit: _PodContainer) -> m.ContainerSetTemplate:
    nodes = [m.ContainerNode(**main.fields()), m.ContainerNode(**commit.fields(), dependencies=["main"])]
    # Argo looks at the set alone for a claim's users, and for a file that outlives `main`
    mounts = [*_shared_mounts(job), m.VolumeMount(name="versions", mount_path=str(VERSIONS))]
    return m.ContainerSetTemplate(containers=nodes, volume_mounts=mounts)


def _version_parameters(outputs: Mapping[str, Output]) -> m.Outputs | None:
    """The versions that the job has made, for `argo get` and `kubectl get workflow -o yaml`."""
    parameters = [
        m.Parameter(
            name=parameter_name(name),
            value_from=m.ValueFrom.model_validate({"path": f"{VERSIONS}/{name}", "default": ""}),
        )
        for name, output in outputs.items()
        if isinstance(output, DatasetOutput | ModelOutput)
    ]
    return m.Outputs(parameters=parameters) if parameters else None


def _inputs_container(
    context: WorkflowContext, name: str, spec: InputsSpec, variables: Environment, *, clones: bool
) -> _PodContainer:
    mounts = [_mount("inputs"), _mount("outputs"), m.VolumeMount(name="notes", mount_path=str(NOTES))]
    if clones:
        variables = {**variables, "GIT_SSH_COMMAND": GIT_SSH_COMMAND}
        mounts.append(m.VolumeMount(name="git", mount_path=GIT_FOLDER, read_only=True))
    return _textgen_container(context, name, "inputs", spec, variables, mounts)


def _main_container(
    context: WorkflowContext, job: Job, container: MainContainer, scheduling: Scheduling
) -> _PodContainer:
    dataset_mounts = [
        m.VolumeMount(name="inputs", mount_path=f"{INPUTS}/{each.name}", sub_path=each.name, read_only=True)
        for each in job.inputs.values()
        if each.type is Type.DATASET
    ]
    mounts = [
        _mount("inputs"),
        *dataset_mounts,
        _mount("outputs"),
        m.VolumeMount(name="notes", mount_path=str(NOTES), read_only=True),
        m.VolumeMount(name="shm", mount_path="/dev/shm"),  # noqa: S108
        *(m.VolumeMount(name=name, mount_path=_CLAIMS[name]) for name in context.cluster.claims),
    ]
    return _PodContainer(
        "main",
        container.image,
        container.command,
        container.args,
        container.env,
        scheduling.resources,
        main_security_context(context.cluster.security),
        mounts,
    )


def _commit_spec(context: WorkflowContext, job: Job) -> tuple[CommitSpec, Environment]:
    lineage = dict(context.lineage)
    if isinstance(job.action, Container | Script):
        lineage["image"] = context.cluster.image(job.action.image)
    return build_commit_spec(context.parameters, job, context.textgen, lineage)


def _commit_container(context: WorkflowContext, spec: CommitSpec, variables: Environment) -> _PodContainer:
    mounts = [
        _mount("inputs", read_only=True),
        _mount("outputs", read_only=True),
        m.VolumeMount(name="notes", mount_path=str(NOTES), read_only=True),
    ]
    return _textgen_container(context, "commit", "commit", spec, variables, mounts)


def _textgen_container(
    context: WorkflowContext,
    name: str,
    command: str,
    spec: InputsSpec | CommitSpec,
    variables: Environment,
    mounts: list[m.VolumeMount],
) -> _PodContainer:
    """A container of textgen's, which passes Pod Security "restricted" and asks for little."""
    return _PodContainer(
        name,
        context.cluster.image(IMAGE.format(version=context.textgen)),
        ["python3", "-m", "job", command],
        None,
        {SPEC: template_safe_json(spec.to_json()), **variables, **STORE_ENVIRONMENT},
        _TEXTGEN_RESOURCES,
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


def _volumes(context: WorkflowContext, *, clones: bool) -> list[m.Volume]:
    names = ("inputs", "outputs", "notes", "versions")
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in names]
    # Docker's 64 MB are too few for data loaders; what is used counts as the job's memory.
    volumes.append({"name": "shm", "emptyDir": {"medium": "Memory"}})
    if clones:
        volumes.append({"name": "git", "secret": {"secretName": object_names.GIT, "optional": True}})
    for name, claim in context.cluster.claims.items():
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
    return [m.Volume.model_validate(volume) for volume in volumes]


def _mount(name: str, *, read_only: bool | None = None) -> m.VolumeMount:
    return m.VolumeMount(name=name, mount_path=f"/{name}", read_only=read_only)


def _shared_mounts(job: Job) -> list[m.VolumeMount]:
    """The legacy dialect's volumes: one folder a name, the same for all jobs."""
    return [
        m.VolumeMount(name=SHARED, mount_path=f"{INPUTS}/{each.name}", sub_path=each.name)
        for each in job.inputs.values()
        if isinstance(each.source, SharedVolume)
    ]


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


def _retry_strategy() -> m.RetryStrategy:
    """A lost node costs a new attempt in a new pod; a failed script does not get one."""
    return m.RetryStrategy.model_validate(
        {
            "limit": 4,
            "retryPolicy": "Always",
            "expression": f"lastRetry.message matches '{_LOST}'",
            "backoff": {"duration": "10s", "factor": 2, "maxDuration": "15m"},
        }
    )
