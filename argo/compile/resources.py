"""What a pod asks a cluster for: an instance type as requests, limits and a choice of nodes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from argo.compile.cluster_config import ClusterConfig
from argo.instances import Instances, InstanceType
from argo.kubernetes_names import INSTANCE_TYPE, LARGER_INSTANCE_TYPE
from argo.language.model import Job

# The share of a type, which is a whole machine: a node keeps some of itself for the system.
REQUESTED = Fraction(4, 5)

_GPU = "nvidia.com/gpu"
GPU_PRODUCT = "nvidia.com/gpu.product"  # the label of a node
_MIB = {"Mi": 1, "Gi": 1 << 10, "Ti": 1 << 20}


@dataclass(frozen=True, slots=True)
class Resources:
    """What a container asks for, and what it may use at most: Kubernetes quantities by their names."""

    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Where a job's pod runs, and what its own container may use; `annotations` name the instance type.

    `preferred_gpus` are values of the label GPU_PRODUCT on nodes to choose first.
    """

    resources: Resources
    annotations: Mapping[str, str] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, str], ...] = ()
    preferred_gpus: tuple[str, ...] = ()


def schedule_job(job: Job, cluster: ClusterConfig) -> Scheduling:
    """The scheduling for the job's instance type, which the cluster's table has."""
    instance = cluster.instances.find(job.instance_type or cluster.instance)
    if instance is None:
        raise AssertionError(job.instance_type)
    limits = {"memory": _memory(instance.memory, cluster.scale)}
    if instance.gpus:
        limits[_GPU] = str(instance.gpus)
    requests = {
        "cpu": _cpu(instance.cpu, cluster.scale * REQUESTED),
        "memory": _memory(instance.memory, cluster.scale * REQUESTED),
    }
    larger = _larger(instance, cluster.instances)
    return Scheduling(
        Resources(requests, limits),
        {INSTANCE_TYPE: instance.name} | ({LARGER_INSTANCE_TYPE: larger.name} if larger else {}),
        instance.node_selector,
        instance.tolerations,
        instance.products,
    )


def has_gpu(job: Job, cluster: ClusterConfig) -> bool:
    """Whether the job's instance type has one; not if the cluster's table does not have the type."""
    instance = cluster.instances.find(job.instance_type or cluster.instance)
    return instance is not None and instance.gpus > 0


def _larger(instance: InstanceType, instances: Instances) -> InstanceType | None:
    """The next type with more memory and as many GPUs."""
    rows = [
        each
        for each in map(instances.find, instances.names())
        if each and each.gpus == instance.gpus and _mib(each.memory) > _mib(instance.memory)
    ]
    return min(rows, key=lambda each: _mib(each.memory), default=None)


def _cpu(text: str, share: Fraction) -> str:
    whole = Fraction(text.removesuffix("m")) * (1 if text.endswith("m") else 1000)
    milli = max(1, int(whole * share))
    return f"{milli}m" if milli % 1000 else str(milli // 1000)


def _memory(text: str, share: Fraction) -> str:
    mib = max(1, int(_mib(text) * share))
    return f"{mib}Mi" if mib % 1024 else f"{mib >> 10}Gi"


def _mib(text: str) -> int:
    amount, unit = re.fullmatch(r"(\d+)(Mi|Gi|Ti)", text).groups()  # type: ignore[union-attr]
    return int(amount) * _MIB[unit]
