"""The settings that a row may have for itself."""

from collections.abc import Mapping
from typing import Any

from job.errors import PromptError, SettingsError
from job.generate.settings import parse_value
from job.text import quoted

# By the names that rows have for them: ours, and OpenAI's.
NAMES = {
    "max_new_tokens": "max_new_tokens",
    "max_tokens": "max_new_tokens",
    "max_completion_tokens": "max_new_tokens",
    "frequency_penalty": "frequency_penalty",
    "min_p": "min_p",
    "n": "num_return_sequences",
    "presence_penalty": "presence_penalty",
    "repetition_penalty": "repetition_penalty",
    "seed": "seed",
    "stop": "stop",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
}


def parse_row_settings(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the row sets, by the settings' names; null sets nothing, and temperature 0 is `greedy`.

    Raises PromptError: of the wrong type, out of range, or one setting by two names.
    """
    settings: dict[str, Any] = {}
    if NAMES.keys().isdisjoint(row):
        return settings
    for key in sorted(row.keys() & NAMES.keys()):
        if row[key] is None:
            continue
        name, value = _parse(key, row[key])
        if settings.setdefault(name, value) != value:
            raise PromptError(f"{key} is {value}, and by another name {settings[name]}; write one of them")
    return settings


def _parse(key: str, value: Any) -> tuple[str, Any]:
    name = NAMES[key]
    if name == "stop":
        value = [value] if isinstance(value, str) else value  # it may look like a list of strings
    elif isinstance(value, str):
        raise PromptError(f"{key} must be a number, not {quoted(value)}")
    if type(value) in (int, float) and value == 0:
        if name == "temperature":
            return "greedy", True
        if name == "max_new_tokens":  # in the table, 0 stands for max_length
            raise PromptError(f"{key} must be at least 1, not 0")
    try:
        return name, parse_value(name, value, key)
    except SettingsError as error:
        raise PromptError(str(error)) from None
