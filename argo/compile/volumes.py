"""The volumes of a pod, and where its containers find them."""

from typing import Any

from hera.workflows import models as m

from argo import kubernetes_names
from argo.compile.cluster_config import ClusterConfig
from argo.language.model import Job, SharedVolume, Type
from job.pod.spec import INPUTS, NOTES

SHARED = "shared"  # the volume for the legacy dialect's shared volumes

_CLAIMS = {"storage": "/storage", "cache": "/cache"}
_TOKEN_SECONDS = 3600  # how long the token of `store` is valid; the kubelet renews it


def main_mounts(cluster: ClusterConfig, job: Job) -> list[m.VolumeMount]:
    """What the job's own container finds, but the legacy dialect's volumes."""
    dataset_mounts = [
        m.VolumeMount(name="inputs", mount_path=f"{INPUTS}/{each.name}", sub_path=each.name, read_only=True)
        for each in job.inputs.values()
        if each.type is Type.DATASET
    ]
    return [
        mount("inputs"),
        *dataset_mounts,
        mount("outputs"),
        m.VolumeMount(name="notes", mount_path=str(NOTES), read_only=True),
        m.VolumeMount(name="shm", mount_path="/dev/shm"),  # noqa: S108
        *(m.VolumeMount(name=name, mount_path=_CLAIMS[name]) for name in cluster.claims),
        *([mount("models", read_only=True)] if cluster.models else []),
    ]


def shared_mounts(job: Job) -> list[m.VolumeMount]:
    """The legacy dialect's volumes: one folder a name, the same for all jobs."""
    return [
        m.VolumeMount(name=SHARED, mount_path=f"{INPUTS}/{each.name}", sub_path=each.name)
        for each in job.inputs.values()
        if isinstance(each.source, SharedVolume)
    ]


def mount(name: str, *, read_only: bool | None = None) -> m.VolumeMount:
    """The volume at the folder of its own name."""
    return m.VolumeMount(name=name, mount_path=f"/{name}", read_only=read_only)


def list_volumes(cluster: ClusterConfig, *, clones: bool) -> list[m.Volume]:
    """The volumes of a pod; `clones`: it has git's credentials."""
    names = ("inputs", "outputs", "notes", "handoff", "verdict")
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in names]
    # What a pod's own token is, but in one container alone
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}}
    certificate = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    volumes.append({"name": "api", "projected": {"sources": [token, certificate]}})
    # Docker's 64 MB are too few for data loaders; what is used counts as the job's memory.
    volumes.append({"name": "shm", "emptyDir": {"medium": "Memory"}})
    if clones:
        volumes.append({"name": "git", "secret": {"secretName": kubernetes_names.GIT, "optional": True}})
    for name, claim in cluster.claims.items():
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
    if cluster.models:
        image = {"reference": cluster.image(cluster.models), "pullPolicy": "IfNotPresent"}
        volumes.append({"name": "models", "image": image})
    return [m.Volume.model_validate(volume) for volume in volumes]
