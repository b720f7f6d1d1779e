"""`defaults` and `resources`: what jobs have in common, and what each job overrides."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from argo.language.field import Field
from argo.language.model import Position, Value
from argo.language.values import read_env


@dataclass(frozen=True, slots=True)
class Resources:
    """`resources` of a job or of `defaults`."""

    instance_type: str | None = None
    instance_at: Position | None = None
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
    """The value of `resources`. Which instance types there are, a cluster knows."""
    fields = field.fields(("instance-type", "container-registries"))
    name = fields["instance-type"].string() if "instance-type" in fields else None
    at = fields["instance-type"].node.at if name else None
    registries = fields["container-registries"].strings() if "container-registries" in fields else None
    return Resources(name or None, at, registries or ())
