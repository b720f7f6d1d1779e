"""`defaults` and `resources`: what jobs have in common, and what each job overrides."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from argo.instances import builtin_instances
from argo.language.field import Field
from argo.language.model import Value
from argo.language.values import read_env
from job.text import did_you_mean, quoted


@dataclass(frozen=True, slots=True)
class Resources:
    """`resources` of a job or of `defaults`."""

    instance_type: str | None = None
    registries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Defaults:
    """`defaults`; a job's own values override them key by key."""

    env: Mapping[str, Value] = field(default_factory=dict)
    resources: Resources = Resources()
    cluster_id: str | None = None


def read_defaults(field: Field) -> Defaults:
    """The value of `defaults`."""
    fields = field.fields(("env", "resources", "clusterId"))
    return Defaults(
        read_env(fields["env"]) if "env" in fields else {},
        read_resources(fields["resources"]) if "resources" in fields else Resources(),
        fields["clusterId"].string() if "clusterId" in fields else None,
    )


def read_resources(field: Field) -> Resources:
    """The value of `resources`. An instance type that the table lacks is kept: a cluster may have its own."""
    fields = field.fields(("instance-type", "container-registries"))
    name = fields["instance-type"].string() if "instance-type" in fields else None
    if name and builtin_instances().find(name) is None:
        hint = did_you_mean(name, builtin_instances().names(), "add it to the table of instance types")
        message = f"{quoted(name)} is not in the table of instance types"
        fields["instance-type"].report("unknown-instance", message, hint)
    registries = fields["container-registries"].strings() if "container-registries" in fields else None
    return Resources(name or None, registries or ())
