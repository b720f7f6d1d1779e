"""Lines of OpenAI's batch files, which vLLM's run-batch reads too: {custom_id, method, url, body}."""

from collections.abc import Mapping
from typing import Any

from job.errors import PromptError
from job.generate.prompts.messages import parse_messages
from job.generate.prompts.prompt import Prompt
from job.generate.prompts.row_settings import KEYS, parse_row_settings
from job.text import listed, quoted

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"

# Of a body: what changes no text, and what changes none if it has this value (or null).
_WITHOUT_EFFECT = frozenset(
    [
        "metadata",
        "model",
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
        "store",
        "stream_options",
        "user",
    ]
)
_DEFAULTS: Mapping[str, Any] = {
    "best_of": 1,
    "echo": False,
    "logit_bias": {},
    "modalities": ["text"],
    "stream": False,
    "tools": [],
}


def is_batch_line(row: Mapping[str, Any], has_template: bool) -> bool:
    """Whether the row has the keys of a batch file's line. With `--template` they are fields like others."""
    return not has_template and "custom_id" in row and "body" in row


def parse_batch_line(prompt: Prompt) -> None:
    """Read the prompt's row, which is a line.

    Raises PromptError: another URL, a body that asks for what there is not.
    """
    row = prompt.row
    custom_id, url, body = row["custom_id"], row.get("url"), row["body"]
    if not isinstance(custom_id, str) or not custom_id:
        raise PromptError("custom_id must be a string that is not empty")
    prompt.id = custom_id
    if row.get("method", "POST") != "POST":
        raise PromptError(f"method must be POST, not {quoted(str(row['method']))}")
    if url not in (CHAT, COMPLETIONS):
        raise PromptError(f"url must be {CHAT} or {COMPLETIONS}, not {quoted(str(url))}")
    if not isinstance(body, dict):
        raise PromptError("body must be an object")
    field = "messages" if url == CHAT else "prompt"
    _refuse_unknown(body, field)
    try:
        prompt.settings = parse_row_settings(body)
        if url == CHAT:
            prompt.messages = parse_messages(body.get("messages"), "messages")
            return
        if not isinstance(body.get("prompt"), str):
            raise PromptError("prompt must be a string; write a line for each text")
        prompt.text = body["prompt"]
    except PromptError as error:
        raise PromptError(f"body.{error}") from None


def _refuse_unknown(body: Mapping[str, Any], field: str) -> None:
    others = body.keys() - KEYS - _WITHOUT_EFFECT - {field}
    refused = [
        name for name in sorted(others) if body[name] is not None and body[name] != _DEFAULTS.get(name)
    ]
    if refused:
        raise PromptError(f"body.{listed(refused)} can't be set here; leave it out")
