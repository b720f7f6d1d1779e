"""The settings that a row may have for itself."""

from collections.abc import Mapping
from typing import Any

from job.errors import PromptError, SettingsError
from job.generate.prompts.row_structure import KEYS as STRUCTURES
from job.generate.prompts.row_structure import parse_structure
from job.generate.settings import describe_type, parse_value, takes_list
from job.text import quoted

# By the names that rows have for them: ours, OpenAI's, and vLLM's.
NAMES = {
    "max_new_tokens": "max_new_tokens",
    "max_tokens": "max_new_tokens",
    "max_completion_tokens": "max_new_tokens",
    "bad_words": "bad_words",
    "frequency_penalty": "frequency_penalty",
    "ignore_eos": "ignore_eos",
    "logprobs": "logprobs",
    "min_new_tokens": "min_new_tokens",
    "min_tokens": "min_new_tokens",
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
_TOP_LOGPROBS = "top_logprobs"  # how many, where `logprobs` says whether
KEYS = NAMES.keys() | {_TOP_LOGPROBS} | STRUCTURES


def parse_row_settings(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the row sets, by the settings' names; null sets nothing, and temperature 0 is `greedy`.

    Raises PromptError: of the wrong type, out of range, or one setting by two names.
    """
    settings: dict[str, Any] = {}
    if KEYS.isdisjoint(row):
        return settings
    settings |= parse_structure(row)
    row = dict(row) | {"logprobs": _read_logprobs(row)}
    for key in sorted(row.keys() & NAMES.keys()):
        if row[key] is None:
            continue
        name, value = _parse(key, row[key])
        if settings.setdefault(name, value) != value:
            raise PromptError(f"{key} is {value}, and by another name {settings[name]}; write one of them")
    return settings


def _read_logprobs(row: Mapping[str, Any]) -> Any:
    """How many are wanted: as OpenAI's completions ask for them, or its chats with two keys."""
    value, count = row.get("logprobs"), row.get(_TOP_LOGPROBS)
    if value is True:
        return 0 if count is None else count
    if count:
        raise PromptError(f'{_TOP_LOGPROBS} needs "logprobs": true beside it')
    return -1 if value is False else value


def _parse(key: str, value: Any) -> tuple[str, Any]:
    name = NAMES[key]
    if isinstance(value, str):  # it may look like a list of strings, or like a number
        if not takes_list(name):
            raise PromptError(f"{key} must be {describe_type(name)}, not {quoted(value)}")
        value = [value]
    if type(value) in (int, float) and value == 0:
        if name == "temperature":
            return "greedy", True
        if name == "max_new_tokens":  # in the table, 0 stands for max_length
            raise PromptError(f"{key} must be at least 1, not 0")
    try:
        return name, parse_value(name, value, key)
    except SettingsError as error:
        raise PromptError(str(error).removeprefix(f"{name}: ")) from None
