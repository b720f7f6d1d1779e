"""`--format`: the rows of outputs.jsonl once more, as a Parquet file or as results of OpenAI's batches."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from job.errors import SettingsError, TextgenError
from job.extras import describe_missing, is_installed
from job.files import write_atomically
from job.generate.parquet_files import write_tables
from job.generate.prompts.openai import CHAT, is_batch_line
from job.generate.settings import Settings

PARQUET, OPENAI = "outputs.parquet", "outputs.openai.jsonl"
NAMES = (PARQUET, OPENAI)

_PARQUET_ROWS = 1000  # that are written at once

Rows = Callable[[], Iterator[Mapping[str, Any]]]  # they can be read again and again


def check_format(settings: Settings) -> None:
    """Raise SettingsError if the format can't be written here."""
    if settings.format == "parquet" and not is_installed("pyarrow"):
        raise SettingsError(f"format parquet: {describe_missing('pyarrow')}")


def write_format(folder: Path, read_rows: Rows, settings: Settings, model: str) -> None:
    """Write the file of the settings' format into the folder; none for jsonl.

    Raises TextgenError if the disk is full, or if the rows have no common columns.
    """
    try:
        if settings.format == "openai":
            lines = (
                json.dumps(line, ensure_ascii=False).encode() + b"\n"
                for line in _results(read_rows(), settings, model)
            )
            write_atomically(folder / OPENAI, lines)
        elif settings.format == "parquet":
            _write_parquet(folder / PARQUET, read_rows)
    except OSError as error:
        raise TextgenError(f"{folder}: {error.strerror}; run the same command again to continue") from None


def _write_parquet(path: Path, read_rows: Rows) -> None:
    import pyarrow

    def tables() -> Iterator[Any]:
        rows = read_rows()
        while block := list(islice(rows, _PARQUET_ROWS)):
            names = dict.fromkeys(name for row in block for name in row)
            # from_pylist alone would take the first row's names for those of all.
            yield pyarrow.Table.from_pylist([{name: row.get(name) for name in names} for row in block])

    write_tables(path, lambda: (table.schema for table in tables()), tables, "use outputs.jsonl")


def _results(rows: Iterable[Mapping[str, Any]], settings: Settings, model: str) -> Iterator[dict[str, Any]]:
    """A line for each prompt, as /v1/batches gives it; the same in each run with these settings."""
    for texts in _group_by_prompt(rows, settings.prefix):
        id_ = texts[0][f"{settings.prefix}id"]
        key = hashlib.sha256(f"{settings.seed}\0{model}\0{id_}".encode()).hexdigest()
        errors = (text[f"{settings.prefix}error"] for text in texts)
        error = next((each for each in errors if each is not None), None)
        yield {
            "id": f"batch_req_{key[:32]}",
            "custom_id": str(id_),
            "response": None
            if error is not None
            else {"status_code": 200, "request_id": key[32:], "body": _body(texts, key, settings, model)},
            "error": None if error is None else {"code": "invalid_request", "message": error},
        }


def _group_by_prompt(rows: Iterable[Mapping[str, Any]], prefix: str) -> Iterator[list[Mapping[str, Any]]]:
    """The rows of each prompt. Another prompt, which is an error then, may have the same id."""
    group: list[Mapping[str, Any]] = []
    for row in rows:
        if group and row[f"{prefix}sequence"] == 1:
            yield group
            group = []
        group.append(row)
    yield group


def _body(texts: Sequence[Mapping[str, Any]], key: str, settings: Settings, model: str) -> dict[str, Any]:
    row, prefix = texts[0], settings.prefix
    is_chat = (
        row["url"] == CHAT if is_batch_line(row, bool(settings.template)) else _has_messages(row, settings)
    )
    choices = []
    for index, text in enumerate(texts):
        content = text[f"{prefix}completion"]
        answer = (
            {"message": {"role": "assistant", "content": content, "refusal": None}}
            if is_chat
            else {"text": content}
        )
        reason = text[f"{prefix}finish_reason"]
        logprobs = _format_logprobs(text.get(f"{prefix}token_logprobs"), is_chat=is_chat)
        choices.append({"index": index, **answer, "logprobs": logprobs, "finish_reason": reason})
    prompt_tokens = row[f"{prefix}prompt_tokens"]
    new_tokens = sum(text[f"{prefix}new_tokens"] for text in texts)
    return {
        "id": f"{'chatcmpl' if is_chat else 'cmpl'}-{key[:32]}",
        "object": "chat.completion" if is_chat else "text_completion",
        "created": 0,  # a time would differ in a run that goes on
        "model": model,
        "choices": choices,
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": new_tokens,
            "total_tokens": prompt_tokens + new_tokens,
        },
    }


def _has_messages(row: Mapping[str, Any], settings: Settings) -> bool:
    return not settings.template and row.get(settings.messages_field) is not None


def _format_logprobs(tokens: Sequence[Mapping[str, Any]] | None, *, is_chat: bool) -> dict[str, Any] | None:
    """A row's `token_logprobs` as a choice of OpenAI's API has them; None without."""
    if tokens is None:
        return None
    if is_chat:
        return {"content": tokens, "refusal": None}
    offsets, length = [], 0
    for token in tokens:
        offsets.append(length)
        length += len(token["token"])
    return {
        "tokens": [token["token"] for token in tokens],
        "token_logprobs": [token["logprob"] for token in tokens],
        "top_logprobs": [
            {each["token"]: each["logprob"] for each in (*token["top_logprobs"], token)} for token in tokens
        ],
        "text_offset": offsets,
    }
