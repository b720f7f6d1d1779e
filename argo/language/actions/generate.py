"""generate@v1: texts of many prompts, made in shards. It is textgen's own: Gradient had none like it."""

import posixpath
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from argo.language.actions.action import ActionKind, Argument, Call
from argo.language.actions.container import read_image
from argo.language.field import Field
from argo.language.model import Generate, Type
from argo.language.nodes import Scalar
from argo.language.values import looks_like_expression
from job.errors import SettingsError
from job.generate.settings import TABLE, parse_value
from job.generate.shards.files import MOST_SHARDS
from job.text import did_you_mean, listed, quoted

_FOR_PODS = ("shards", "parallelism", "image")
# Settings that may be the path of a file or folder, and what is written before it.
_FILES = {"model": "", "json_schema": "", "template": "@"}


def read_setting(name: str, field: Field) -> object | None:
    """The value of a setting of `textgen generate`; a number needs no quotes."""
    if field.is_list:
        value: tuple[str, ...] | str | None = field.strings()
    elif not isinstance(field.node, Scalar) or field.null:
        field.report("wrong-type", "must be a value, not a mapping or null", "leave the key out")
        return None
    else:
        value = field.text()
    if value is None:
        return None
    if isinstance(value, str) and looks_like_expression(value):
        hint = f"write it as an input of the job: inputs: {{{name}: {value}}}"
        field.report("bad-expression", f"{quoted(value)} is not replaced here", hint)
        return None
    try:
        parsed: object = parse_value(name, value, "")
    except SettingsError as error:
        message, _, hint = str(error).removeprefix(": ").partition("; ")
        field.report("bad-setting", message, hint)
        return None
    return parsed


def _read_number(most: int, field: Field) -> int | None:
    text = field.node.text if isinstance(field.node, Scalar) else ""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most and len(text) < 9):
        field.report("bad-setting", f"must be a number from 1 to {most:,}")
        return None
    return int(text)


def _build(values: Mapping[str, Any], call: Call) -> Generate | None:
    settings = {name: value for name, value in values.items() if name not in _FOR_PODS}
    prompts_input = _find_prompts(settings, call)
    output = _find_output(call)
    inputs = _find_inputs(settings, call, has_own_image="image" in values)
    is_valid = _check_inputs(settings, call)
    if prompts_input is None or output is None or inputs is None or not is_valid:
        return None
    if prompts_input:  # also of an input of that name, which a variable could replace otherwise
        settings.setdefault("prompts", f"/inputs/{prompts_input}")
    return Generate(
        settings,
        prompts_input,
        inputs.get("model", ""),
        output,
        values.get("shards", 1),
        values.get("parallelism"),
        values.get("image"),
    )


def _find_prompts(settings: Mapping[str, Any], call: Call) -> str | None:
    """The name of the input that holds the prompts; "" if they are no files. None after an error."""
    if "prompts" not in settings:  # an input's name may be the setting's
        return "prompts" if "prompts" in _list_folders(call) and "prompt" not in settings else ""
    if "prompt" in settings:
        field = call.arguments["prompts"]
        field.report("bad-setting", "give prompt or prompts, not both", "remove one", field.key_at)
        return None
    return _find_input("prompts", str(settings["prompts"]), call)


def _find_inputs(settings: Mapping[str, Any], call: Call, *, has_own_image: bool) -> dict[str, str] | None:
    """The inputs that other settings are paths in. None after an error, which each shard would meet else."""
    values = {name: str(settings[name]) for name in _FILES if settings.get(name)}
    found = {
        name: _find_input(name, value.removeprefix(_FILES[name]), call)
        for name, value in values.items()
        if _is_path_of_input(name, value, has_own_image=has_own_image)
    }
    inputs = {name: entry for name, entry in found.items() if entry is not None}
    return inputs if len(inputs) == len(found) else None


def _is_path_of_input(name: str, value: str, *, has_own_image: bool) -> bool:
    """Whether the setting is a path that must be in an input: textgen's images have no other files."""
    if has_own_image or name == "model":  # which may be a name
        return value.startswith(f"{_FILES[name]}/inputs/")
    return value.startswith("@") if name == "template" else not value.lstrip().startswith("{")


def _find_input(setting: str, path: str, call: Call) -> str | None:
    """The name of the input that a setting's path is in. None after an error."""
    folders, path = _list_folders(call), posixpath.normpath(path)
    name: str = path.removeprefix("/inputs/").partition("/")[0]
    if path.startswith("/inputs/") and name in folders:
        return name
    if path.startswith("/inputs/") and name in call.input_names and name not in call.inputs:
        return None  # an input with an error of its own
    hint = (
        f"write a path under {listed(f'/inputs/{name}' for name in folders)}"
        if folders
        else f"declare an input: inputs: {{{setting}: {{type: dataset, with: {{ref: NAME}}}}}}"
    )
    message = "is not in an input of the job that is a dataset or a volume"
    call.arguments[setting].report("bad-path", message, hint)
    return None


def _list_folders(call: Call) -> list[str]:
    return [name for name, entry in call.inputs.items() if entry.type is not Type.STRING]


def _find_output(call: Call) -> str | None:
    outputs = list(call.outputs.values())
    if len(outputs) == 1 and outputs[0].type is Type.DATASET:
        return outputs[0].name if outputs[0].dataset else None  # its reference has an error of its own
    hint = "write outputs: {texts: {type: dataset, with: {ref: NAME}}}"
    job = call.job
    job.report("bad-target", "generate@v1 has one output, which is a dataset", hint, job.key_at)
    return None


def _check_inputs(settings: Mapping[str, Any], call: Call) -> bool:
    """Report inputs that are strings, and are no settings or stand under `with`, too."""
    is_valid = True
    for name, entry in call.inputs.items():
        if entry.type is not Type.STRING:
            continue
        if name not in TABLE:
            message = f"the input {quoted(name)} is a string, and there is no such setting"
            call.job.report("unknown-setting", message, did_you_mean(name, TABLE), entry.at)
        elif name in settings:
            message = f"the setting {quoted(name)} is an input, and stands under `with`, too"
            call.job.report("bad-setting", message, "remove one of them", entry.at)
        else:
            continue
        is_valid = False
    return is_valid


def _arguments() -> dict[str, Argument]:
    readers: dict[str, Callable[[Field], object | None]] = {
        **{name: partial(read_setting, name) for name in TABLE},
        "shards": partial(_read_number, MOST_SHARDS),
        "parallelism": partial(_read_number, MOST_SHARDS),
        "image": read_image,
    }
    return {name: Argument(read) for name, read in readers.items()}


GENERATE = ActionKind(_arguments(), _build, unknown_code="unknown-setting")
