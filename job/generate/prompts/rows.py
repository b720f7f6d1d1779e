"""Rows of files, each a prompt or the reason why it is none, as a stream."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any, NoReturn

from job.errors import PromptError
from job.generate.prompts.files import RowFile, read_lines, read_parquet
from job.generate.prompts.messages import add_system, parse_messages
from job.generate.prompts.openai import is_batch_line, parse_batch_line
from job.generate.prompts.prompt import Prompt
from job.generate.prompts.row_settings import parse_row_settings
from job.generate.prompts.template import Template
from job.text import shortened

Row = Mapping[str, Any]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _parse_float(text: str) -> float:
    """The number. One beyond a float's range would come back as Infinity, which JSON does not have."""
    number = float(text)
    return number if isfinite(number) else _refuse_constant(text)


_DECODER = json.JSONDecoder(parse_float=_parse_float, parse_constant=_refuse_constant)


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How rows become prompts. template: fills a prompt from a row's fields; system: goes before messages."""

    prompt_field: str = "prompt"
    messages_field: str = "messages"
    template: Template | None = None
    system: str = ""


def read_rows(files: Sequence[RowFile], row_format: RowFormat) -> Iterator[Prompt]:
    """The rows of the files, in their order; one that is no prompt has an `error` that says why.

    Raises PromptError for a file that can't be read on.
    """
    for file in files:
        for number, row in enumerate(read_file(file, row_format.prompt_field), file.line):
            name, location = f"{file.name}:{number}", f"{file}:{number}"
            if isinstance(row, PromptError):
                yield Prompt(name, location=location, error=str(row))
            else:
                yield build_prompt(row, row_format, name, location)


def build_prompt(row: Row, row_format: RowFormat, default_id: str, location: str) -> Prompt:
    """The prompt of a row, or its error."""
    prompt = Prompt(default_id, row=row, location=location)
    try:
        if is_batch_line(row, has_template=row_format.template is not None):
            parse_batch_line(prompt)
        else:
            prompt.id = _parse_id(row.get("id", default_id))
            prompt.settings = parse_row_settings(row)
            _parse_content(prompt, row_format)
        if prompt.messages and row_format.system:
            prompt.messages = add_system(prompt.messages, row_format.system)
        _check(prompt, row_format)
    except PromptError as error:
        prompt.error = str(error)
    return prompt


def read_file(file: RowFile, prompt_field: str) -> Iterator[Row | PromptError]:
    """The rows of a file, each as JSON has it, or the error that it is. Raises PromptError as `read_rows`."""
    if file.kind == ".parquet":
        for row in read_parquet(file):
            try:
                yield {name: _to_json(value) for name, value in row.items()}
            except PromptError as error:
                yield error
        return
    for line in read_lines(file):
        try:
            text = line.decode("utf-8")
            yield _parse_json(text) if file.kind == ".jsonl" else {prompt_field: text}
        except UnicodeDecodeError as error:
            yield PromptError(f"not UTF-8 at byte {error.start} of the line; save the file as UTF-8")
        except PromptError as error:
            yield error


def _parse_json(line: str) -> Row:
    try:
        row = _DECODER.decode(line)
        if "\\u" in line:  # a half of a surrogate pair can't be written back
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise PromptError("half of a surrogate pair in this row") from None
    except (ValueError, RecursionError):
        raise PromptError('not JSON; write one {"prompt": "..."} on each line') from None
    if not isinstance(row, dict):
        raise PromptError('not a JSON object; write {"prompt": "..."}')
    return row


def _parse_id(value: object) -> str | int:
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise PromptError(f"id must be a string or an integer, not {shortened(json.dumps(value))}")
    return value


def _parse_content(prompt: Prompt, row_format: RowFormat) -> None:
    row, field, messages_field = prompt.row, row_format.prompt_field, row_format.messages_field
    if row_format.template is not None:
        prompt.text = row_format.template.fill(row)
        return
    has_prompt, has_messages = row.get(field) is not None, row.get(messages_field) is not None
    if field == messages_field:
        has_messages = isinstance(row.get(field), list)
        has_prompt = not has_messages
    if has_prompt and has_messages:
        raise PromptError(f'both "{field}" and "{messages_field}" in this row; leave one out')
    if has_messages:
        prompt.messages = parse_messages(row[messages_field], messages_field)
        return
    if not isinstance(row.get(field), str):
        raise PromptError(f'no string "{field}" in this row; write {{"{field}": "..."}}, or set prompt_field')
    prompt.text = row[field]


def _check(prompt: Prompt, row_format: RowFormat) -> None:
    if not prompt.messages:
        if not prompt.text.strip():
            raise PromptError("an empty prompt; give at least a word")
        if row_format.system:
            raise PromptError(f'a system message goes before messages; write "{row_format.messages_field}"')
    if "\0" in prompt.text or any("\0" in (each.get("content") or "") for each in prompt.messages):
        raise PromptError("a NUL character in the prompt; leave it out, or save the file as UTF-8")


def _to_json(value: Any) -> Any:
    """A value of a Parquet file as JSON has it: dates and decimals as text, what is no number as null."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, list):
        return [_to_json(each) for each in value]
    if isinstance(value, dict):
        return {name: _to_json(each) for name, each in value.items()}
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise PromptError(
        f"a value of type {type(value).__name__}, which JSON does not have; leave its column out"
    )
