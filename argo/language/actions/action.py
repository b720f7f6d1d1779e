"""What every action's module defines: a table of its arguments, and how to build the action of them."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from argo.language.field import Field
from argo.language.model import Action, Input, Output, SharedVolume, Type, Value

# Keys of a job that people write under `with`, one level too deep.
_JOB_KEYS = ("needs", "inputs", "outputs", "env", "resources", "uses")
_HINTS = {key: f"move `{key}` out of `with`, to the job" for key in _JOB_KEYS}


@dataclass(frozen=True, slots=True)
class Argument:
    """One key of `with`. `read` returns its value, or None after it has reported an error."""

    read: Callable[[Field], object | None]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """What an action is built from: the field of its job, its arguments, and what else the job declares.

    `inputs` has those without an error only; `input_names` has all.
    """

    job: Field
    arguments: Mapping[str, Field]
    inputs: Mapping[str, Input]
    input_names: tuple[str, ...]
    outputs: Mapping[str, Output]
    env: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class ActionKind:
    """An action of the language. `hints` are for arguments that it does not have, reported as `unknown_code`.

    `build` gets the values of the arguments that are present and valid, by name; it returns None after it
    has reported values that contradict one another.
    """

    arguments: Mapping[str, Argument]
    build: Callable[[Mapping[str, Any], Call], Action | None]
    hints: Mapping[str, str] = field(default_factory=dict)
    unknown_code: str = "unknown-key"

    def read_arguments(self, field: Field) -> dict[str, Field]:
        """The arguments under `with`; those that are required and missing are reported."""
        fields = field.fields(self.arguments, {**_HINTS, **self.hints}, self.unknown_code)
        for name, argument in self.arguments.items():
            if argument.required:
                field.require(fields, name)
        return fields

    def build_action(self, call: Call) -> Action | None:
        """The action, or None if an argument is missing or wrong."""
        values = {name: self.arguments[name].read(field) for name, field in call.arguments.items()}
        missing = [
            name for name, argument in self.arguments.items() if argument.required and name not in values
        ]
        if missing or any(value is None for value in values.values()):
            return None
        return self.build(values, call)


def read_target(call: Call, action: str) -> str | None:
    """The folder that a download writes to: `with.path`, or else the job's only folder to write to.

    That is its one output that is a volume or dataset; in the legacy dialect its one shared volume.
    """
    outputs = [f"/outputs/{name}" for name, entry in call.outputs.items() if entry.type is not Type.STRING]
    shared = [
        f"/inputs/{name}" for name, entry in call.inputs.items() if isinstance(entry.source, SharedVolume)
    ]
    if "path" in call.arguments:
        return _read_path(call.arguments["path"], outputs + shared)
    folders = outputs or shared
    if len(folders) != 1:
        number = f"{len(folders)} folders" if folders else "no folder"
        hint = (
            f"write path: {folders[0]}" if folders else "declare an output: outputs: {repo: {type: volume}}"
        )
        call.job.report("bad-target", f"{action} has {number} to write to", hint, call.job.key_at)
        return None
    return folders[0]


def _read_path(field: Field, folders: list[str]) -> str | None:
    text = field.string()
    if text is None:
        return None
    path = posixpath.normpath(text)
    if not text.startswith("/") or not any(f"{path}/".startswith(f"{folder}/") for folder in folders):
        hint = (
            f"write a path under {' or '.join(folders)}" if folders else "declare an output that is a volume"
        )
        field.report("bad-path", "is not in an output of the job", hint)
        return None
    return path
