"""What a pod asks a cluster for: an instance type as requests, limits and a choice of nodes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from hera.workflows import models as m

from argo.compile.cluster_config import ClusterConfig
from argo.instances import Instances, InstanceType
from argo.language.model import Job, Workflow
from argo.object_names import INSTANCE_TYPE, LARGER_INSTANCE_TYPE
from job.errors import InputError
from job.text import did_you_mean

# A type is a whole machine, and a node keeps some of itself for the system.
REQUESTED = Fraction(4, 5)

_GPU = "nvidia.com/gpu"
_PRODUCT = "nvidia.com/gpu.product"
_MIB = {"Mi": 1, "Gi": 1 << 10, "Ti": 1 << 20}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job's pod runs, and what its own container may use; `annotations` name the instance type."""

    resources: m.ResourceRequirements
    annotations: Mapping[str, str] = field(default_factory=dict)
    node_selector: dict[str, str] | None = None
    tolerations: list[m.Toleration] | None = None
    affinity: m.Affinity | None = None


def helper(cpu: str, memory: str, limit: str) -> m.ResourceRequirements:
    """The resources of a container of ours: it asks for little and may use `limit`."""
    return _resources({"cpu": cpu, "memory": memory}, {"memory": limit})


def of(workflow: Workflow, job: Job, cluster: ClusterConfig) -> Place:
    """The place of a job. Raises InputError for a type that the table does not have."""
    name = job.instance_type or cluster.instance
    found = cluster.instances.find(name)
    if found is None:
        hint = did_you_mean(name, cluster.instances.names())
        raise InputError(
            f"{workflow.path}:{job.at.line}: job {job.name!r}: no instance type {name!r}; {hint}, "
            "or add it to the `instances` of the cluster configuration file (--cluster)"
        )
    limits = {"memory": _memory(found.memory, cluster.scale)}
    if found.gpus:
        limits[_GPU] = str(found.gpus)
    requests = {
        "cpu": _cpu(found.cpu, cluster.scale * REQUESTED),
        "memory": _memory(found.memory, cluster.scale * REQUESTED),
    }
    larger = _larger(found, cluster.instances)
    return Place(
        _resources(requests, limits),
        {INSTANCE_TYPE: found.name} | ({LARGER_INSTANCE_TYPE: larger.name} if larger else {}),
        dict(found.node_selector) or None,
        [m.Toleration.model_validate(dict(each)) for each in found.tolerations] or None,
        _prefer(found),
    )


def _larger(found: InstanceType, instances: Instances) -> InstanceType | None:
    """The next type with more memory and as many GPUs."""
    rows = [
        each
        for each in map(instances.find, instances.names())
        if each and each.gpus == found.gpus and _mib(each.memory) > _mib(found.memory)
    ]
    return min(rows, key=lambda each: _mib(each.memory), default=None)


def _prefer(found: InstanceType) -> m.Affinity | None:
    """Nodes with the type's GPU first; hardly a cluster has a Quadro, so any GPU will do."""
    if not found.products:
        return None
    wanted = m.NodeSelectorRequirement(key=_PRODUCT, operator="In", values=list(found.products))
    term = m.PreferredSchedulingTerm(weight=100, preference=m.NodeSelectorTerm(match_expressions=[wanted]))
    return m.Affinity(
        node_affinity=m.NodeAffinity(preferred_during_scheduling_ignored_during_execution=[term])
    )


def _resources(requests: dict[str, str], limits: dict[str, str]) -> m.ResourceRequirements:
    return m.ResourceRequirements.model_validate({"requests": requests, "limits": limits})


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
