"""A job as a template: one pod, with our container before the job's own and ours after it.

inputs | checkout    init container: folders, inputs, the script
main                 the file's image; for git-checkout, s3-download and create-model, ours
commit               after a success only: volumes and strings to the store, then dataset versions
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hera.workflows import models as m

from argo import object_names
from argo.compile import container, environment, names, resources, security, steps, text
from argo.compile.cluster_config import ClusterConfig
from argo.compile.container import NOTES, Own
from argo.compile.inline_checkouts import Folded
from argo.compile.parameters import Parameters
from argo.compile.steps import Steps
from argo.language.model import Container, Job, Script, SharedVolume, Type, Workflow
from job.errors import InputError

VERSIONS = "/var/run/versions"  # as in job.pod.spec
IMAGE = "textgen:{version}"  # ours: job/ without torch
SHARED = "shared"

_GIT = "/var/run/secrets/textgen-git"
_SSH = f"ssh -oBatchMode=yes -i {_GIT}/ssh-privatekey -oUserKnownHostsFile={_GIT}/known_hosts"
_CLAIMS = {"storage": "/storage", "cache": "/cache"}

# What says that the node was lost, and not that the job failed. Of a pod that is deleted, Argo may see
# first that its containers were told to end (SIGTERM); a job that ends so by itself has 64 from `commit`.
# An API server that has just started refuses Argo's executor what it allows a second later.
_LOST = (
    "imminent node shutdown|pod deleted|[Pp]reempt|low on resource|[Nn]ode.?[Ll]ost|Pod was rejected"
    "|^[a-z]+: Error [(]exit code 143[)]|^wait: .* is forbidden: User "
)


@dataclass(frozen=True, slots=True)
class Context:
    """What all jobs of a workflow share. `lineage` goes into every version."""

    workflow: Workflow
    folded: Folded
    cluster: ClusterConfig
    parameters: Parameters
    image: str
    lineage: Mapping[str, Any]


def template(context: Context, job: Job) -> m.Template:
    """The job's template. Raises InputError, at the job, for what a pod can't hold."""
    where = f"{context.workflow.path}:{job.at.line}"
    told = steps.of(context.workflow, context.folded, context.parameters, job)
    kept = steps.outputs(job)
    before: dict[str, Any] | None = None
    place = resources.Place(resources.helper("100m", "128Mi", "2Gi"))
    if isinstance(job.action, Container | Script):
        own = container.of(where, job, job.action, context.cluster)
        place = resources.of(context.workflow, job, context.cluster)
        if told.into or told.folders or own.files or own.main:
            before = _inputs(context, job, told, own)
        main = _main(context, job, own, place)
    else:
        main = _inputs(context, job, told, None) | {"name": "main"}
    commit = _commit(context, job, kept) if kept else None
    for each in filter(None, (before, main, commit)):
        _check(where, job, each)
    if not commit:
        main["volume_mounts"] += _shared(job)
    return m.Template(
        name=names.template(job.name),
        metadata=m.Metadata(
            labels={object_names.JOB: names.label(job.name)},
            annotations={object_names.JOB: job.name, **place.annotations},
        ),
        init_containers=[m.UserContainer(**before)] if before else None,
        container=None if commit else m.Container(**main),
        container_set=_with_commit(job, main, commit) if commit else None,
        outputs=_versions(kept),
        volumes=_volumes(context, told),
        node_selector=place.node_selector,
        tolerations=place.tolerations,
        affinity=place.affinity,
        retry_strategy=_retry(),
    )


def _check(where: str, job: Job, made: Mapping[str, Any]) -> None:
    """Raise InputError where Linux would not start the container."""
    words = [*(made["command"] or ()), *(made.get("args") or ())]
    texts = [*words, *(f"{each.name}={each.value}" for each in made["env"] if each.value)]
    if any(len(each.encode()) >= text.ARGUMENT_LIMIT for each in texts):
        raise InputError(
            f"{where}: job {job.name!r}: its script or texts are over {text.ARGUMENT_LIMIT >> 10} KB, "
            "more than a container is started with; put them into files of the repository"
        )


def _with_commit(job: Job, main: dict[str, Any], commit: dict[str, Any]) -> m.ContainerSetTemplate:
    nodes = [m.ContainerNode(**main), m.ContainerNode(**commit, dependencies=["main"])]
    # Argo looks at the set alone for a claim's users, and for a file that outlives `main`
    mounts = [*_shared(job), m.VolumeMount(name="versions", mount_path=VERSIONS)]
    return m.ContainerSetTemplate(containers=nodes, volume_mounts=mounts)


def _versions(kept: Mapping[str, Mapping[str, Any]]) -> m.Outputs | None:
    """The versions that the job has made, for `argo get` and `kubectl get workflow -o yaml`."""
    made = [
        m.Parameter(
            name=names.parameter(name),
            value_from=m.ValueFrom.model_validate({"path": f"{VERSIONS}/{name}", "default": ""}),
        )
        for name, kind in kept.items()
        if "dataset" in kind or "model" in kind
    ]
    return m.Outputs(parameters=made) if made else None


def _inputs(context: Context, job: Job, told: Steps, own: Own | None) -> dict[str, Any]:
    document: dict[str, Any] = {"job": job.name, "into": told.into, "folders": told.folders}
    document |= {"resolve": told.resolve} if told.resolve else {}
    if own and own.files:
        document["files"] = own.files
    if own and own.main:
        document["main"] = own.main
    variables = [*told.variables.values(), *(own.variables if own else ())]
    mounts = [_mount("inputs"), _mount("outputs"), m.VolumeMount(name="notes", mount_path=NOTES)]
    if told.clones:
        variables.append(m.EnvVar(name="GIT_SSH_COMMAND", value=_SSH))
        mounts.append(m.VolumeMount(name="git", mount_path=_GIT, read_only=True))
    return _helper(context, "inputs", document, variables) | {
        "name": "checkout" if told.clones else "inputs",
        "volume_mounts": mounts,
    }


def _main(context: Context, job: Job, own: Own, place: resources.Place) -> dict[str, Any]:
    read_only = [
        m.VolumeMount(name="inputs", mount_path=f"/inputs/{each.name}", sub_path=each.name, read_only=True)
        for each in job.inputs.values()
        if each.type is Type.DATASET
    ]
    return {
        "name": "main",
        "image": own.image,
        "command": own.command,
        "args": own.args,
        "env": own.env,
        "resources": place.resources,
        "security_context": security.own(context.cluster.security),
        "volume_mounts": [
            _mount("inputs"),
            *read_only,
            _mount("outputs"),
            m.VolumeMount(name="notes", mount_path=NOTES, read_only=True),
            m.VolumeMount(name="shm", mount_path="/dev/shm"),  # noqa: S108
            *(m.VolumeMount(name=name, mount_path=_CLAIMS[name]) for name in context.cluster.claims),
        ],
    }


def _commit(context: Context, job: Job, kept: dict[str, Any]) -> dict[str, Any]:
    image = context.cluster.image(job.action.image) if isinstance(job.action, Container | Script) else None
    lineage = dict(context.lineage) | ({"image": image} if image else {})
    event = {
        "url": context.parameters.value(object_names.GITHUB_URL),
        "ref": context.parameters.value(object_names.GITHUB_REF),
    }
    document = {"job": job.name, "outputs": kept, "event": event, "lineage": lineage}
    variables = list(environment.parameters(event).values())
    return _helper(context, "commit", document, variables) | {
        "name": "commit",
        "volume_mounts": [
            _mount("inputs", read_only=True),
            _mount("outputs", read_only=True),
            m.VolumeMount(name="notes", mount_path=NOTES, read_only=True),
        ],
    }


def _helper(context: Context, command: str, document: Any, variables: list[m.EnvVar]) -> dict[str, Any]:
    """A container of ours, which passes Pod Security "restricted" and asks for little."""
    return {
        "image": context.image,
        "command": ["python3", "-m", "job", command],
        "env": [
            m.EnvVar(name="TEXTGEN_STEPS", value=text.carried(document)),
            *variables,
            *environment.store(),
        ],
        "resources": resources.helper("50m", "128Mi", "2Gi"),
        "security_context": security.helper(),
        "termination_message_policy": "FallbackToLogsOnError",  # the node's message says what was wrong
    }


def _volumes(context: Context, told: Steps) -> list[m.Volume]:
    folders = ("inputs", "outputs", "notes", "versions")
    found: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in folders]
    # Docker's 64 MB are too few for data loaders; what is used counts as the job's memory.
    found.append({"name": "shm", "emptyDir": {"medium": "Memory"}})
    if told.clones:
        found.append({"name": "git", "secret": {"secretName": object_names.GIT, "optional": True}})
    for name, claim in context.cluster.claims.items():
        found.append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
    return [m.Volume.model_validate(each) for each in found]


def _mount(name: str, *, read_only: bool | None = None) -> m.VolumeMount:
    return m.VolumeMount(name=name, mount_path=f"/{name}", read_only=read_only)


def _shared(job: Job) -> list[m.VolumeMount]:
    """The legacy dialect's volumes: one folder a name, the same for all jobs."""
    return [
        m.VolumeMount(name=SHARED, mount_path=f"/inputs/{each.name}", sub_path=each.name)
        for each in job.inputs.values()
        if isinstance(each.source, SharedVolume)
    ]


def _retry() -> m.RetryStrategy:
    """A lost node costs a new attempt in a new pod; a failed script does not get one."""
    return m.RetryStrategy.model_validate(
        {
            "limit": 4,
            "retryPolicy": "Always",
            "expression": f"lastRetry.message matches '{_LOST}'",
            "backoff": {"duration": "10s", "factor": 2, "maxDuration": "15m"},
        }
    )
