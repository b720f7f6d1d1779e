"""Structure: a JSON schema, a regular expression or choices that a text keeps to, by llguidance."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from job.errors import SettingsError
from job.extras import describe_missing, is_installed
from job.text import quoted, shortened

SETTINGS = ("json_schema", "regex", "choices")
# With each of these a text could end where its structure does not, or would have to go on behind it.
_CONFLICTING = ("stop", "bad_words", "ignore_eos", "min_new_tokens")
# A space, or a new line and what it is indented by: without a limit a model may draw them forever.
_JSON_OPTIONS = {"whitespace_pattern": r"\x20|\n\x20{0,40}"}
_CACHED = 128  # grammars


def find_structure(settings: Any) -> str:
    """Which of the settings gives a structure; empty if none does."""
    return next((name for name in SETTINGS if getattr(settings, name)), "")


def find_conflict(settings: Any) -> str:
    """Why the settings' structure can't be kept to, in one line; empty if it can."""
    name = find_structure(settings)
    other = next((other for other in _CONFLICTING if name and getattr(settings, other)), "")
    return other and f"{name} and {other} can't be used together; leave one out"


def describe_lack(name: str, engine: str) -> str:
    """That the engine can't do what the setting or the row asks for."""
    return f"{name}: the {engine} engine has none; set engine to openvino or transformers"


def check_structure(settings: Any) -> None:
    """Raise SettingsError if the settings' structure is none, or can't be kept to beside others."""
    name = find_structure(settings)
    if problem := find_conflict(settings):
        raise SettingsError(problem)
    if name and (problem := find_problem(**{name: getattr(settings, name)})):
        raise SettingsError(f"{name}: {problem}")


@lru_cache(maxsize=_CACHED)
def build_grammar(json_schema: str, regex: str, choices: tuple[str, ...]) -> str:
    """llguidance's grammar of the one that is given."""
    from llguidance import LLMatcher

    if json_schema:
        return LLMatcher.grammar_from_json_schema(json_schema, defaults=_JSON_OPTIONS)  # type: ignore[arg-type]
    if regex:
        return LLMatcher.grammar_from_regex(regex)
    return LLMatcher.grammar_from_regex("|".join(map(_escape, choices)))


def _escape(text: str) -> str:
    """A regular expression that matches this text alone."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in text)


@lru_cache(maxsize=_CACHED)
def find_problem(json_schema: str = "", regex: str = "", choices: tuple[str, ...] = ()) -> str:
    """Why it is no structure, in one line, with the place in a schema; empty if it is one."""
    if not is_installed("llguidance"):
        return str(describe_missing("llguidance"))
    problem = _validate(json_schema, regex, choices)
    if not problem:
        return ""
    if json_schema:
        try:
            place = _locate(json.loads(json_schema), problem)
        except RecursionError:
            place = ""
        return f"#{shortened(place)}: {problem}"
    return f"{problem}: {quoted(regex)}" if regex else problem


def _validate(json_schema: str, regex: str = "", choices: tuple[str, ...] = ()) -> str:
    """What llguidance says of it, on one line; empty if it takes it."""
    from llguidance import LLMatcher

    try:
        message = LLMatcher.validate_grammar(build_grammar(json_schema, regex, choices))
    except ValueError as error:  # a schema that is too deep, or has a number beyond a float's
        message = str(error)
    if not message or message.startswith("WARNING"):
        return ""
    # The regex library shows the place over several lines, and then says what is wrong.
    lines = message.splitlines()
    reason = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), lines[0])
    return re.sub(r"^at \d+\(\d+\): invalid regex .* \(in regex\): ", "", reason)


def _locate(schema: Mapping[str, Any], problem: str) -> str:
    """The JSON pointer of the smallest part of the schema that has this problem by itself."""
    definitions = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    for others in ({}, definitions):  # what the part refers to
        for pointer, part in _list_parts(schema):
            if _validate(json.dumps(others | part)) == problem:
                return pointer
    return ""


def _list_parts(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in a schema with their pointers, inner ones first."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, dict | list):
            pointer = "/" + str(key).replace("~", "~0").replace("/", "~1")
            yield from ((pointer + rest, part) for rest, part in _list_parts(inner))
            if isinstance(inner, dict):
                yield pointer, inner


def read_json_schema(value: str, location: str) -> str:
    """The schema in a file of that name, or the value itself if it is an object of JSON; as one line.

    Raises SettingsError that names the file's line and column, or the place in the schema.
    """
    if value.lstrip().startswith("{"):
        text, place = value, f"{location}: json_schema"
    else:
        try:
            text, place = Path(value).read_text(encoding="utf-8-sig"), value
        except (OSError, ValueError) as error:
            problem = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise SettingsError(
                f"{location}: json_schema: {quoted(value)} can't be read: {problem}"
            ) from None
    try:
        schema = json.loads(text, parse_constant=_refuse_constant)
        line = json.dumps(schema, ensure_ascii=False, allow_nan=False)
        line.encode()
    except json.JSONDecodeError as error:
        raise SettingsError(f"{place}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except UnicodeEncodeError:
        raise SettingsError(f"{place}: half of a surrogate pair in it") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{place}: not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise SettingsError(f'{place}: a JSON schema is an object; write {{"type": "object", ...}}')
    if problem := find_problem(json_schema=line):
        raise SettingsError(f"{place}: {problem}")
    return line


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
