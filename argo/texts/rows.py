"""The rows of outputs.jsonl, read as a stream in bounded memory. Anybody may have written them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from job.untrusted_files import parse_json

FILE = "outputs.jsonl"
LARGEST_ROW = 4 << 20  # bytes

_LARGEST_INTEGER = 1 << 40  # so that SQLite can add a million


@dataclass(frozen=True, slots=True)
class Row:
    """A generated text. `line` counts from 1; `text` is what the file has, mostly prompt and completion.

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

    def to_json(self) -> dict[str, Any]:
        """As the file has it, with the completion; fields that are not set are left out."""
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
        return {name: value for name, value in values.items() if value is not None} | dict(self.other)


_FIELDS = {each.name for each in fields(Row)} - {"line", "other"}


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A line that is no row, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"{FILE}:{self.line}: {self.reason}"


def read_rows(chunks: Iterable[bytes]) -> Iterator[Row | BrokenRow]:
    """Each row of outputs.jsonl, and each line that is none; empty lines are left out."""
    for number, line in enumerate(_split_lines(chunks), 1):
        if line is None:
            yield BrokenRow(number, f"over {LARGEST_ROW >> 20} MiB")
        elif line.strip():
            yield _parse_row(number, line)


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


def _parse_row(number: int, line: bytes) -> Row | BrokenRow:
    try:
        row = parse_json(line)
    except ValueError as problem:
        return BrokenRow(number, str(problem))
    if not isinstance(row, dict):
        return BrokenRow(number, "not a JSON object")
    text, completion, error = _string(row, "text"), _string(row, "completion"), _read_error(row)
    if text is None and completion is None and not error:
        return BrokenRow(number, 'no string "text"')
    prompt = _string(row, "prompt") or ""
    if completion is None:
        completion = (text or "").removeprefix(prompt)
    sequence = _integer(row, "sequence")
    return Row(
        number,
        _read_id(row, number),
        1 if sequence is None else sequence,
        prompt,
        completion,
        prompt + completion if text is None else text,
        _integer(row, "prompt_tokens"),
        _integer(row, "new_tokens"),
        _string(row, "finish_reason") or "",
        error,
        {name: value for name, value in row.items() if name not in _FIELDS},
    )


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
