"""What a network can take: how many positions, which tokens."""

from typing import Any

# transformers' name of it, to which most configurations map their own; MPT's; Whisper's.
_POSITIONS = ("max_position_embeddings", "max_seq_len", "max_target_positions")


def read_context_length(config: Any) -> int | None:
    """The longest text in tokens; None if the configuration sets no limit, or if nobody knows it."""
    text_config = config.get_text_config(decoder=True)
    lengths = (getattr(text_config, name, None) for name in _POSITIONS)
    # XLNet's -1 means no limit.
    return next((length for length in lengths if isinstance(length, int) and length > 0), None)


def read_padded_length(config: Any) -> int | None:
    """How long a text may get, in tokens, beside shorter ones; None if there is no limit.

    A row that has ended goes on beside the others, to positions that the network may not have. And
    LongRoPE (Phi-3, MiniCPM) takes other frequencies for all rows once one of them is that long.
    """
    rope = getattr(config.get_text_config(decoder=True), "rope_parameters", None) or {}
    parts = [
        rope,
        *(part for part in rope.values() if isinstance(part, dict)),
    ]  # some have one for each layer type
    lengths = [
        part["original_max_position_embeddings"] for part in parts if part.get("rope_type") == "longrope"
    ]
    return min(filter(None, [read_context_length(config), *lengths]), default=None)


def read_vocabulary_size(config: Any) -> int | None:
    """How many tokens the network knows; None if the configuration does not say."""
    size = getattr(config.get_text_config(decoder=True), "vocab_size", None)
    return size if isinstance(size, int) else None
