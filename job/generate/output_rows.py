"""A row of outputs.jsonl: all that came with the row, and what became of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from job.errors import PromptError
from job.generate.engines.decoding import decode_new_tokens
from job.generate.engines.engine import Completion, Row
from job.generate.logprobs import describe_logprobs
from job.generate.models.tokenizer import Tokenizer
from job.generate.prompts.openai import is_batch_line
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings

NAMES = (
    "id",
    "sequence",
    "text",
    "completion",
    "prompt_tokens",
    "new_tokens",
    "finish_reason",
    "error",
    "token_logprobs",
)


def check_names(prompt: Prompt, settings: Settings) -> None:
    """Raise PromptError if a key of the row would be lost. Its id, and the prompt, may have one of ours."""
    for name in NAMES:
        key = settings.prefix + name
        if key not in prompt.row:
            continue
        if key == "id" and not is_batch_line(prompt.row, bool(settings.template)):
            continue
        if (
            name == "text"
            and key in (settings.prompt_field, settings.messages_field)
            and not settings.template
        ):
            continue
        hint = f"another prefix than {settings.prefix!r}" if settings.prefix else "--prefix gen_"
        raise PromptError(f"{prompt.location}: the row has a key {key!r}, as the outputs do; give {hint}")


def build_output(
    row: Row, completion: Completion, tokenizer: Tokenizer, settings: Settings
) -> dict[str, Any]:
    """The output of a row. Its text begins with the prompt; of messages it is the answer alone."""
    new_text = decode_new_tokens(tokenizer, row.token_ids, completion.token_ids)
    if row.stops:
        new_text = row.stops.cut(row.token_ids, completion.token_ids, new_text)
    text = new_text if row.prompt.messages else row.prompt.text + new_text
    values = {
        "sequence": row.sequence,
        "text": text,
        "completion": new_text,
        "prompt_tokens": len(row.token_ids),
        "new_tokens": len(completion.token_ids),
        "finish_reason": completion.finish_reason,
        "error": None,
    }
    if completion.logprobs is not None:
        values["token_logprobs"] = describe_logprobs(completion.logprobs, tokenizer)
    return _build(row.prompt, settings, values)


def build_error(prompt: Prompt, settings: Settings, sequence: int = 1) -> dict[str, Any]:
    """The output of a row that was not continued."""
    names = NAMES[1:-1]  # it has no log probabilities
    return _build(prompt, settings, dict.fromkeys(names) | {"sequence": sequence, "error": prompt.error})


def _build(prompt: Prompt, settings: Settings, values: Mapping[str, Any]) -> dict[str, Any]:
    ours = {settings.prefix + name: value for name, value in values.items()}
    return {f"{settings.prefix}id": prompt.id} | dict(prompt.row) | ours


def count_outputs(rows: Iterable[Mapping[str, Any]], settings: Settings) -> dict[str, Any]:
    """What the rows add up to; counts of several runs can be added in their turn."""
    errors = texts = prompt_tokens = new_tokens = 0
    reasons: Counter[str] = Counter()
    for row in rows:
        if row[f"{settings.prefix}error"] is not None:
            errors += 1
            continue
        texts += 1
        prompt_tokens += row[f"{settings.prefix}prompt_tokens"]
        new_tokens += row[f"{settings.prefix}new_tokens"]
        reasons[row[f"{settings.prefix}finish_reason"]] += 1
    return {
        "texts": texts,
        "errors": errors,
        "finish_reasons": dict(sorted(reasons.items())),
        "prompt_tokens": prompt_tokens,
        "new_tokens": new_tokens,
    }
