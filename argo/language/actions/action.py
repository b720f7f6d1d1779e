"""What every action's module gives: a table of its arguments, and how they make the action."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from argo.language.field import Field
from argo.language.model import Action, Input, Output, SharedVolume, Type, Value

# Keys of a job that people write under `with`, one level too deep.
_ONE_LEVEL_UP = ("needs", "inputs", "outputs", "env", "resources", "uses")
_INSTEAD = {name: f"move `{name}` out of `with`, to the job" for name in _ONE_LEVEL_UP}


@dataclass(frozen=True, slots=True)
class Argument:
    """One key of `with`. `read` gives its value, or None after noting what is wrong."""

    read: Callable[[Field], object | None]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A job as its action sees it: the field of the job, and what else it declares.

    `inputs` lacks those that have an error; `input_names` has them too.
    """

    job: Field
    arguments: Mapping[str, Field]
    inputs: Mapping[str, Input]
    input_names: tuple[str, ...]
    outputs: Mapping[str, Output]
    env: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class ActionKind:
    """An action of the language. `instead` holds hints for arguments that it does not have.

    `build` gets the arguments' values by name, only those given and good; it returns None after
    noting what does not fit together.
    """

    arguments: Mapping[str, Argument]
    build: Callable[[Mapping[str, Any], Call], Action | None]
    instead: Mapping[str, str] = field(default_factory=dict)

    def read(self, given: Field) -> dict[str, Field]:
        """The arguments under `with`; those that are required and missing are noted."""
        found = given.fields(self.arguments, {**_INSTEAD, **self.instead})
        for name, argument in self.arguments.items():
            if argument.required:
                given.require(found, name)
        return found

    def make(self, call: Call) -> Action | None:
        """The action, or None where an argument is missing or wrong."""
        values = {name: self.arguments[name].read(given) for name, given in call.arguments.items()}
        missing = [name for name, each in self.arguments.items() if each.required and name not in values]
        if missing or any(value is None for value in values.values()):
            return None
        return self.build(values, call)


def target(call: Call, what: str) -> str | None:
    """The folder that a download fills: `with.path`, or else the job's only folder to write to.

    That is its one output that is a volume or dataset; in the legacy dialect its one shared volume.
    """
    outputs = [f"/outputs/{each.name}" for each in call.outputs.values() if each.type is not Type.STRING]
    shared = [
        f"/inputs/{each.name}" for each in call.inputs.values() if isinstance(each.source, SharedVolume)
    ]
    if "path" in call.arguments:
        return _path(call.arguments["path"], outputs + shared)
    folders = outputs or shared
    if len(folders) != 1:
        found = f"{len(folders)} folders" if folders else "no folder"
        hint = (
            f"write path: {folders[0]}" if folders else "declare an output: outputs: {repo: {type: volume}}"
        )
        call.job.report("bad-target", f"{what} has {found} to write to", hint, call.job.name_at)
        return None
    return folders[0]


def _path(given: Field, folders: list[str]) -> str | None:
    text = given.text()
    if text is None:
        return None
    path = posixpath.normpath(text)
    if not text.startswith("/") or not any(f"{path}/".startswith(f"{folder}/") for folder in folders):
        hint = (
            f"write a path under {' or '.join(folders)}" if folders else "declare an output that is a volume"
        )
        given.report("bad-path", "does not lie in an output of the job", hint)
        return None
    return path
