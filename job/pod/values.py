"""Values of a pod's spec: a text, a parameter of the workflow, or a variable of the container."""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from job.errors import InputError
from job.pod.json_reader import COMPILE_AGAIN, JsonReader


def parameter_variable(name: str) -> str:
    """The variable that holds a parameter of the workflow, as base64 of UTF-8."""
    return f"PARAMETER_{name}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the workflow; as a step, it becomes a file. `default` stands for an empty one."""

    name: str
    default: str | None = None

    def to_json(self) -> dict[str, Any]:
        return without_none({"parameter": self.name, "default": self.default})


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the container's environment, which holds a secret or a long text."""

    name: str

    def to_json(self) -> dict[str, Any]:
        return {"variable": self.name}


Value = str | Parameter | Variable

# The variables that a value may be, as patterns
FILE_VARIABLES = "SCRIPT"
KEY_VARIABLES = "SECRET_.+"  # of an S3 bucket; the linked repository's are for git alone
GIT_VARIABLES = "SECRET_.+|GIT_USERNAME|GIT_PASSWORD"


def read_variable(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The variable of this container. Raises InputError if it is not set."""
    if name not in environ:
        raise InputError(f"{name} is not set: this command runs in a pod that `textgen compile` made")
    return environ[name]


def resolve_value(value: Value | None, environ: Mapping[str, str], variables: str | None = None) -> str:
    """The text that a value stands for; empty for None. `variables` is a pattern of those that it may be.

    A parameter comes as base64, so that nothing on its way expands what is in it. Raises InputError if it
    is missing or not UTF-8, and for other variables: the store's keys are in the same environment.
    """
    match value:
        case None:
            return ""
        case Variable(name):
            if not variables or not re.fullmatch(variables, name):
                raise InputError(f"the spec: the variable {name} is for something else; {COMPILE_AGAIN}")
            return environ.get(name, "")
        case Parameter(name, default):
            encoded = read_variable(parameter_variable(name), environ)
            try:
                text = base64.b64decode(encoded, validate=True).decode("utf-8")
            except ValueError as error:
                raise InputError(f"the parameter {name} is not UTF-8") from error
            return text or default or ""
    return value


def read_value(value: JsonReader) -> Value:
    if isinstance(value.value, str):
        return value.value
    if value.has("variable"):
        return Variable(value.get("variable").string())
    if value.has("parameter"):
        return read_parameter(value)
    return value.refuse("a value")


def read_optional_value(value: JsonReader) -> Value | None:
    return None if value.value is None else read_value(value)


def read_parameter(value: JsonReader) -> Parameter:
    return Parameter(value.get("parameter").string(), value.get("default").optional_string())


def value_to_json(value: Value | None) -> Any:
    return value.to_json() if isinstance(value, Parameter | Variable) else value


def without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}
