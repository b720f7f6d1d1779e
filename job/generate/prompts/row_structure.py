"""The structure that a row asks for: OpenAI's `response_format`, and vLLM's `structured_outputs`."""

import json
from collections.abc import Mapping
from typing import Any

from job.errors import PromptError
from job.generate.structure import find_problem
from job.text import did_you_mean, listed, quoted

_RESPONSE_FORMAT, _STRUCTURED_OUTPUTS = "response_format", "structured_outputs"
KEYS = frozenset([_RESPONSE_FORMAT, _STRUCTURED_OUTPUTS])
_TYPES = ("text", "json_object", "json_schema")
_OBJECT = {"type": "object"}


def parse_structure(row: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the row's structure, which replace all of the run's; empty if the row has none.

    Raises PromptError: of another form, or a schema that is none.
    """
    keys = [key for key in sorted(KEYS) if row.get(key) is not None]
    if not keys:
        return {}
    if len(keys) > 1:
        raise PromptError(f"{keys[0]} and {keys[1]} can't be used together; leave one out")
    key = keys[0]
    if not isinstance(row[key], dict):
        raise PromptError(f"{key} must be an object")
    place, settings = (_read_format if key == _RESPONSE_FORMAT else _read_outputs)(row[key])
    if settings and (problem := find_problem(**settings)):
        raise PromptError(f"{place}: {problem}")
    return {"json_schema": "", "regex": "", "choices": (), **settings}


def _read_format(value: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Where the structure is, and the setting."""
    kind = value.get("type")
    if kind == "text":
        return "", {}
    if kind == "json_object":
        return _RESPONSE_FORMAT, {"json_schema": json.dumps(_OBJECT)}
    if kind != "json_schema":
        raise PromptError(f"{_RESPONSE_FORMAT}.type must be one of {listed(_TYPES)}, not {quoted(str(kind))}")
    outer = value.get("json_schema")
    schema = outer.get("schema") if isinstance(outer, dict) else None
    return _read_schema(f"{_RESPONSE_FORMAT}.json_schema.schema", schema)


def _read_outputs(value: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    readers = {"json": _read_schema, "regex": _read_regex, "choice": _read_choices, "json_object": _read_flag}
    kinds = [kind for kind in value if value[kind] is not None]
    if len(kinds) != 1:
        raise PromptError(f"{_STRUCTURED_OUTPUTS} must have one of {listed(readers)}")
    if kinds[0] not in readers:
        raise PromptError(
            f"{_STRUCTURED_OUTPUTS}.{kinds[0]} can't be set here; {did_you_mean(kinds[0], readers)}"
        )
    return readers[kinds[0]](f"{_STRUCTURED_OUTPUTS}.{kinds[0]}", value[kinds[0]])


def _read_schema(place: str, value: object) -> tuple[str, dict[str, Any]]:
    if isinstance(value, str):  # as vLLM takes it, too
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise PromptError(f"{place} is not JSON") from None
    if not isinstance(value, dict):
        raise PromptError(f"{place} must be a JSON schema, which is an object")
    try:
        return place, {"json_schema": json.dumps(value, ensure_ascii=False)}
    except RecursionError:
        raise PromptError(f"{place} is nested too deep") from None


def _read_regex(place: str, value: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(value, str) or not value:
        raise PromptError(f"{place} must be a string that is not empty")
    return place, {"regex": value}


def _read_choices(place: str, value: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
        raise PromptError(f"{place} must be a list of strings that are not empty")
    return place, {"choices": tuple(value)}


def _read_flag(place: str, value: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(value, bool):
        raise PromptError(f"{place} must be true or false")
    return place, {"json_schema": json.dumps(_OBJECT)} if value else {}
