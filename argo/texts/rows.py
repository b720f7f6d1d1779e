"""The rows of files of texts, read as a stream in bounded memory. Anybody may have written them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from job.datasets import Manifest
from job.untrusted_json import parse_json

LARGEST_ROW = 4 << 20  # bytes

_LARGEST_INTEGER = 1 << 40  # so that SQLite can add a million


@dataclass(frozen=True, slots=True)
class Row:
    """A generated text. `line` counts the lines of all files from 1; `text` is what the file has, mostly
    prompt and completion.

    `error` says why there is no text. `other` holds the fields that are not known here.
    """

    line: int
    id: str
    sequence: int = 1
    prompt: str = ""
    completion: str = ""
    text: str = ""
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    finish_reason: str = ""
    error: str = ""
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def continues_prompt(self) -> bool:
        """Whether the text goes on where the prompt ends; the answer to a chat's messages does not."""
        return self.text == self.prompt + self.completion

    def to_json(self) -> dict[str, Any]:
        """The fields under their usual names, with the completion; those that are not set are left out."""
        values = {
            "id": self.id,
            "sequence": self.sequence,
            "prompt": self.prompt,
            "completion": self.completion,
            "text": self.text,
            "prompt_tokens": self.prompt_tokens,
            "new_tokens": self.new_tokens,
            "finish_reason": self.finish_reason or None,
            "error": self.error or None,
        }
        return dict(self.other) | {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Names:
    """How a generation's settings named the fields of its rows; `prefix` is before those that it added."""

    prefix: str = ""
    prompt: str = "prompt"
    messages: str = "messages"


_ADDED = ("id", "sequence", "text", "completion", "prompt_tokens", "new_tokens", "finish_reason", "error")


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A line that is no row, and why; `place` is its file and its line there."""

    line: int
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class Lines:
    """The lines of files with these names, one file after the other, without their ends; None for one that is
    longer than a row may be. `place` is that of the line that was read last: its file and its line there."""

    def __init__(self, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
        self._files = files
        self.place = ""

    def __iter__(self) -> Iterator[bytes | None]:
        for name, chunks in self._files:
            for number, line in enumerate(_split_lines(chunks), 1):
                self.place = f"{name}:{number}"
                yield line


def read_names(manifest: Manifest) -> Names:
    """The names of the fields in a version's rows."""
    settings = manifest.lineage.get("generation")
    if not isinstance(settings, Mapping):
        return Names()
    default = Names()
    return Names(
        _string(settings, "prefix") or default.prefix,
        _string(settings, "prompt_field") or default.prompt,
        _string(settings, "messages_field") or default.messages,
    )


def read_rows(lines: Lines, names: Names | None = None) -> Iterator[Row | BrokenRow]:
    """Each row, and each line that is none; empty lines are left out."""
    names = names or Names()
    for number, line in enumerate(lines, 1):
        if line is None:
            yield BrokenRow(number, lines.place, f"over {LARGEST_ROW >> 20} MiB")
        elif line.strip():
            try:
                yield _parse_row(number, line, names)
            except ValueError as problem:
                yield BrokenRow(number, lines.place, str(problem))


def _split_lines(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """Each line without its end; None for one that is longer than a row may be."""
    rest, is_too_long = bytearray(), False
    for chunk in chunks:
        *ends, start = chunk.split(b"\n")
        for end in ends:
            line = bytes(rest) + end if rest else end
            yield None if is_too_long or len(line) > LARGEST_ROW else line
            rest, is_too_long = bytearray(), False
        if len(rest) + len(start) > LARGEST_ROW:
            rest, is_too_long = bytearray(), True
        elif not is_too_long:
            rest += start
    if is_too_long:
        yield None
    elif rest:
        yield bytes(rest)


def _parse_row(number: int, line: bytes, names: Names) -> Row:
    """The row of a line. Raises ValueError, which says why it is none."""
    row = parse_json(line)
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    added = {name: row.get(names.prefix + name) for name in _ADDED}
    text, completion, error = _string(added, "text"), _string(added, "completion"), _read_error(added)
    if text is None and completion is None and not error:
        raise ValueError(f'no string "{names.prefix}text"')
    prompt = _read_prompt(row, names, text, completion)
    if completion is None:
        completion = (text or "").removeprefix(prompt)
    known = {names.prefix + name for name in _ADDED}
    if row.get(names.prompt) == prompt:
        known.add(names.prompt)
    sequence = _integer(added, "sequence")
    return Row(
        number,
        _read_id(added, number),
        1 if sequence is None else sequence,
        prompt,
        completion,
        prompt + completion if text is None else text,
        _integer(added, "prompt_tokens"),
        _integer(added, "new_tokens"),
        _string(added, "finish_reason") or "",
        error,
        {name: value for name, value in row.items() if name not in known},
    )


def _read_prompt(row: Mapping[str, Any], names: Names, text: str | None, completion: str | None) -> str:
    """What the text begins with, as a template may have made it; else the row's own prompt or messages."""
    if text and completion is not None and text != completion and text.endswith(completion):
        return text.removesuffix(completion)
    body = row.get("body")  # of a line of OpenAI's batches
    for place in (row, body if isinstance(body, Mapping) else {}):
        for name in (names.messages, names.prompt):
            value = place.get(name)
            if isinstance(value, str):
                return value
            if isinstance(value, list) and value:
                return "\n\n".join(map(_format_message, value))
    return ""


def _format_message(message: object) -> str:
    """A chat message as a text: who says what."""
    if not isinstance(message, Mapping):
        return json.dumps(message, ensure_ascii=False)
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = "\n".join(text for text in texts if isinstance(text, str))
    said = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return f"{message.get('role', '')}: {said}"


def _read_id(row: Mapping[str, Any], number: int) -> str:
    """The row's id; without one that can be, its line."""
    value = row.get("id")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else str(number)


def _read_error(row: Mapping[str, Any]) -> str:
    """The error's text, or the message of an error that is an object, as OpenAI's are."""
    value = row.get("error")
    if isinstance(value, Mapping) and isinstance(value.get("message"), str):
        value = value["message"]
    if not value:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _string(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) else None


def _integer(row: Mapping[str, Any], name: str) -> int | None:
    value = row.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if abs(value) <= _LARGEST_INTEGER else None
