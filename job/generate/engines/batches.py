"""Which rows one call of a network may compute together, so that each text is what it is alone."""

from collections.abc import Sequence
from itertools import groupby

from job.generate.engines.engine import Row

# Prompts of different lengths are padded on the left. The networks of these model types (of
# transformers 5.23) take padding for text, or count it as positions.
_WITHOUT_PADDING = frozenset(
    [
        "bart",
        "bigbird_pegasus",
        "blenderbot",
        "blenderbot-small",
        "deepseek_v4",
        "git",
        "marian",
        "mbart",
        "mvp",
        "pegasus",
        "plbart",
        "prophetnet",
        "reformer",
        "trocr",
        "whisper",
        "xlm",
        "xlnet",
        "xlstm",
    ]
)
# Not known: these can't be made small enough for a test.
NOT_TESTED = frozenset(
    [
        "blt",
        "dbrx",
        "dots3_note",
        "gemma3n",
        "gemma4_assistant",
        "gemma4_unified_assistant",
        "musicgen",
        "musicgen_melody",
    ]
)
# A step of this network mixes the states of its rows.
_ONE_BY_ONE = frozenset({"rwkv"})


def split_batch(rows: Sequence[Row], model_type: str, padded_length: int | None) -> list[list[Row]]:
    """The rows in groups that can be computed together.

    model_type: transformers' name of it; padded_length: how long a text may get beside shorter ones, in
    tokens, None if there is no limit.
    """
    if model_type in _ONE_BY_ONE:
        return [[row] for row in rows]
    length = max(len(row.token_ids) for row in rows) + max(row.max_new_tokens for row in rows)
    too_long = padded_length is not None and length > padded_length
    if not too_long and model_type not in _WITHOUT_PADDING | NOT_TESTED:
        return [list(rows)]
    return [list(group) for _, group in groupby(sorted(rows, key=_shape), key=_shape)]


def _shape(row: Row) -> tuple[int, int]:
    return len(row.token_ids), row.max_new_tokens
