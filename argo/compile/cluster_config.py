"""The cluster configuration file: what a workflow file does not say of a cluster (docs/cluster.yaml)."""

import re
from collections.abc import Container, Mapping
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
)
from pydantic_core import ErrorDetails

from argo.instances import Instances, builtin_instances, load_instances
from argo.language.actions.container import is_image
from argo.yaml_file import read_yaml_mapping
from job.errors import InputError
from job.text import did_you_mean, listed


class Security(StrEnum):
    """The Pod Security standard that a run's whole pods pass; textgen's and Argo's own containers always
    pass "restricted"."""

    BASELINE = "baseline"
    RESTRICTED = "restricted"


def parse_scale(text: object) -> Fraction:
    """The factor in `text`. Raises ValueError unless it is over 0 and at most 1."""
    try:
        scale = Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        scale = Fraction(0)
    if not 0 < scale <= 1:
        raise ValueError("must be over 0 and at most 1, for example 0.5")
    return scale


def _number_as_text(value: object) -> object:
    """A number that YAML read, as it may stand for a text."""
    return str(value) if type(value) in {int, float} else value


def _check_quantity(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise ValueError("must be a quantity such as 10Gi")
    return text


def _check_object_name(text: str) -> str:
    if not _OBJECT_NAME.fullmatch(text) or len(text) > 253:
        raise ValueError("must be a name in Kubernetes: lower-case letters, digits, '-' and '.'")
    return text


def _check_image(text: str) -> str:
    if not is_image(text):
        raise ValueError("must be the name of an image")
    return text


_QUANTITY = re.compile(r"\d+(\.\d+)?([KMGTPE]i|[kMGTPE])?")
_OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_Text = Annotated[str, BeforeValidator(_number_as_text)]
_Quantity = Annotated[_Text, AfterValidator(_check_quantity)]
_ObjectName = Annotated[str, AfterValidator(_check_object_name)]
_Image = Annotated[str, AfterValidator(_check_image)]
_Seconds = Annotated[PositiveInt, Field(strict=True, le=2**31 - 1)]  # as long as Kubernetes' numbers
_AccessMode = Literal["ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]


class _Section(BaseModel):
    model_config = ConfigDict(
        alias_generator=lambda name: name.replace("_", "-"),
        arbitrary_types_allowed=True,
        extra="forbid",
        frozen=True,
        validate_by_name=True,
    )


class SharedClaim(_Section):
    """The claim for the legacy dialect's shared volumes."""

    storage_class: _ObjectName | None = None
    access_mode: _AccessMode = "ReadWriteMany"
    size: _Quantity = "10Gi"


class ClusterConfig(_Section):
    """What a cluster offers to the workflows that run there.

    `scale` is the share of an instance type that is asked for; `claims` names the persistent volume claims
    behind /storage and the model cache, and `models` the image behind /models; `entrypoints` maps images to
    theirs, `pull_secrets` Gradient's registries to Secrets; `deadline` and `keep` are seconds: the longest
    run, and how long a finished one stays.
    """

    instances: Instances = Field(default_factory=builtin_instances)
    instance: str = "C4"
    scale: Annotated[Fraction, BeforeValidator(parse_scale)] = Fraction(1)
    registry: str | None = None
    images: Mapping[_Text, _Image] = {}
    entrypoints: Mapping[_Text, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    pull_secrets: Mapping[_Text, _ObjectName] = {}
    security: Security = Security.BASELINE
    claims: Mapping[Literal["storage", "cache"], _ObjectName] = {}
    models: _Image | None = None
    shared: SharedClaim = SharedClaim()
    parameters: Mapping[_Text, str] = {}
    deadline: _Seconds = 7 * 24 * 3600
    keep: _Seconds = 7 * 24 * 3600

    def image(self, name: str) -> str:
        """Where the cluster finds an image: another one in its place, or a mirror of the public ones."""
        if name in self.images:
            return self.images[name]
        first, slash, _ = name.partition("/")
        hosted = slash and ("." in first or ":" in first or first == "localhost")
        return name if hosted or not self.registry else f"{self.registry.rstrip('/')}/{name}"

    def with_parameters(self, inputs: Container[str], values: Mapping[str, str]) -> dict[str, str]:
        """`values` over those of `parameters` that a workflow has as its inputs."""
        return {**{name: value for name, value in self.parameters.items() if name in inputs}, **values}


def load_cluster_config(path: Path | None) -> ClusterConfig:
    """The configuration in the file at `path`, or the defaults without one.

    Raises InputError, naming the key, if the file can't be read or a value is wrong.
    """
    if path is None:
        return ClusterConfig()
    data = read_yaml_mapping(path)
    if "instances" in data:
        if not isinstance(data["instances"], str):
            raise InputError(f"{path}: instances: must be the path of a file")
        data["instances"] = load_instances(path.parent / data["instances"])
    try:
        return ClusterConfig.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error.errors()[0])}") from None


def _explain(error: ErrorDetails) -> str:
    """The key and what is wrong with it, in one line."""
    path = [str(part) for part in error["loc"] if part != "[key]"]
    if error["type"] == "extra_forbidden":
        model = ClusterConfig if len(path) == 1 else SharedClaim
        known = [str(field.alias) for field in model.model_fields.values()]
        message = f"no such key; {did_you_mean(path[-1], known, f'the keys are {listed(known)}')}"
    else:
        message = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        for words, plain in _PLAIN.items():
            message = message.replace(words, plain)
    return f"{'.'.join(path)}: {message}"


# pydantic's words, and YAML's
_PLAIN = {
    "a valid dictionary or instance of SharedClaim": "a mapping",
    "a valid dictionary": "a mapping",
    "a valid string": "a string",
    "a valid integer": "an integer",
    "a valid tuple": "a list",
    "Tuple should have at least 1 item after validation, not 0": "must be a list of one word or more",
}
