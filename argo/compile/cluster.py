"""What is particular to a cluster, and how a file of it reads (docs/cluster.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

from argo.instances import Instances, builtin, load
from job.errors import InputError


class Security(StrEnum):
    """The Pod Security standard that a run's whole pods pass; ours and Argo's containers always pass
    the second."""

    BASELINE = "baseline"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Shared:
    """The claim for the legacy dialect's shared volumes."""

    storage_class: str | None = None
    access_mode: str = "ReadWriteMany"
    size: str = "10Gi"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster's answers to what a workflow file leaves open.

    `scale` is the share of an instance type that is asked for; `claims` names the persistent volume
    claims behind /storage and the model cache; `pull_secrets` maps Gradient's registries to Secrets;
    `deadline` and `keep` are seconds: the longest run, and how long a finished one stays.
    """

    instances: Instances = field(default_factory=builtin)
    instance: str = "C4"
    scale: Fraction = Fraction(1)
    registry: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    pull_secrets: Mapping[str, str] = field(default_factory=dict)
    security: Security = Security.BASELINE
    claims: Mapping[str, str] = field(default_factory=dict)
    shared: Shared = Shared()
    parameters: Mapping[str, str] = field(default_factory=dict)
    deadline: int = 7 * 24 * 3600
    keep: int = 7 * 24 * 3600

    def image(self, name: str) -> str:
        """Where the cluster finds an image: another one in its place, or a mirror of the public ones."""
        if name in self.images:
            return self.images[name]
        first, slash, _ = name.partition("/")
        hosted = slash and ("." in first or ":" in first or first == "localhost")
        return name if hosted or not self.registry else f"{self.registry.rstrip('/')}/{name}"


def read(path: Path) -> Mapping[str, Any]:
    """The keys of a cluster's file as Cluster takes them.

    Raises InputError, naming the key, for a file that can't be read or a value of a wrong kind.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe", pure=True).load(path)
    except (OSError, YAMLError, ValueError) as error:
        raise InputError(f"{path}: can't be read: {str(error).splitlines()[0]}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InputError(f"{path}: must be a map; see docs/cluster.yaml")
    return {_name(path, key): _value(path, str(key), value) for key, value in found.items()}


def instances(path: Path) -> Instances:
    """The package's instance types with those of a file over them."""
    return load(path)


_MAPS = ("images", "pull-secrets", "claims", "parameters")
_TEXTS = ("instance", "registry")
_SECONDS = ("deadline", "keep")
_CLAIMS = ("storage", "cache")


def _name(path: Path, key: object) -> str:
    known = [each.name.replace("_", "-") for each in fields(Cluster)]
    if key not in known:
        from job.text import did_you_mean

        raise InputError(
            f"{path}: {key}: no such key; {did_you_mean(str(key), known, 'see docs/compile.md')}"
        )
    return str(key).replace("-", "_")


def _value(path: Path, key: str, value: Any) -> Any:
    where = f"{path}: {key}"
    match key:
        case "instances":
            return load(path.parent / str(value))
        case "scale":
            return scale(where, str(value))
        case "security":
            return security(where, str(value))
        case "shared":
            return _shared(where, value)
    return _plain(where, key, value)


def _plain(where: str, key: str, value: Any) -> Any:
    if key in _MAPS:
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise InputError(f"{where}: must be a map of texts")
        if key == "claims" and not value.keys() <= set(_CLAIMS):
            raise InputError(f"{where}: may name the claims {' and '.join(_CLAIMS)}")
        return {str(name): each for name, each in value.items()}
    if key in _TEXTS and isinstance(value, str):
        return value
    if key in _SECONDS and type(value) is int and value > 0:
        return value
    raise InputError(f"{where}: must be {'a number of seconds' if key in _SECONDS else 'a text'}")


def scale(where: str, text: str) -> Fraction:
    """A factor over 0 and at most 1."""
    try:
        found = Fraction(text)
    except (ValueError, ZeroDivisionError):
        found = Fraction(0)
    if not 0 < found <= 1:
        raise InputError(f"{where}: must be over 0 and at most 1, for example 0.5")
    return found


def security(where: str, text: str) -> Security:
    """A Pod Security standard."""
    if text not in tuple(Security):
        raise InputError(f"{where}: must be baseline or restricted")
    return Security(text)


def _shared(where: str, value: Any) -> Shared:
    keys = {"storage-class": "storage_class", "access-mode": "access_mode", "size": "size"}
    if not isinstance(value, dict) or not value.keys() <= keys.keys():
        raise InputError(f"{where}: may hold {', '.join(keys)}")
    return Shared(**{keys[name]: str(each) for name, each in value.items()})
