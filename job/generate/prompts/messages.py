"""Chat messages, as they come in rows: which are some, and in which form chat templates take them."""

from collections.abc import Sequence
from typing import Any

from job.errors import PromptError
from job.generate.prompts.prompt import Message
from job.text import listed, quoted

ROLES = ("system", "developer", "user", "assistant", "tool")
_EXAMPLE = '[{"role": "user", "content": "..."}]'


def parse_messages(value: object, name: str) -> Sequence[Message]:
    """The messages in a row's field `name`; a content of text parts becomes one text, a line each.

    Raises PromptError: not a list of messages, a role that nobody knows, a content that is no text.
    """
    if not isinstance(value, list) or not value:
        raise PromptError(f"{name} must be a list of one message or more; write {_EXAMPLE}")
    return [_parse_message(message, f"{name}[{number}]") for number, message in enumerate(value)]


def _parse_message(message: object, name: str) -> Message:
    if not isinstance(message, dict):
        raise PromptError(f"{name} must be an object; write {_EXAMPLE[1:-1]}")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise PromptError(f"{name}.role must be one of {listed(ROLES)}, not {quoted(str(role))}")
    if isinstance(content, str):
        return message
    if content is None:
        if message.get("tool_calls"):
            return message
        raise PromptError(f"{name}.content is missing; write a string")
    if not isinstance(content, list):
        raise PromptError(f"{name}.content must be a string, or a list of text parts")
    return message | {"content": "\n".join(_read_part(part, name) for part in content)}


def _read_part(part: Any, name: str) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    raise PromptError(f"{name}.content has a part of type {quoted(str(kind))}; only text can be read")


def add_system(messages: Sequence[Message], system: str) -> Sequence[Message]:
    """The messages with a system message before them, unless they have one themselves."""
    if messages[0]["role"] in ("system", "developer"):
        return messages
    return [{"role": "system", "content": system}, *messages]
