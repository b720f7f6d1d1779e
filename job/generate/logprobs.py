"""Log probabilities of tokens, as rows have them."""

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel

from job.generate.engines.engine import TokenLogprobs
from job.generate.models.tokenizer import Tokenizer

_DIGITS = 6  # beyond them float32 has noise
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def describe_logprobs(logprobs: Iterable[TokenLogprobs], tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """The new tokens as OpenAI's chat completions have them: the drawn one, and `top_logprobs` in it."""
    return [
        _describe(*drawn, tokenizer) | {"top_logprobs": [_describe(*top, tokenizer) for top in tops]}
        for drawn, *tops in logprobs
    ]


def _describe(token_id: int, logprob: float, tokenizer: Tokenizer) -> dict[str, Any]:
    content = _read_bytes(token_id, tokenizer)
    return {
        "token": content.decode("utf-8", "replace"),
        "bytes": list(content),
        "logprob": round(logprob, _DIGITS) + 0.0,  # and never -0.0
    }


@lru_cache(maxsize=2**16)
def _read_bytes(token_id: int, tokenizer: Tokenizer) -> bytes:
    """What the token adds to a text: of a special one its name, of a part of a character the bytes."""
    before = tokenizer.encode("a", add_special_tokens=False)  # a space at the beginning may be left out
    text = tokenizer.decode((*before, token_id))[len(tokenizer.decode(before)) :]
    written = tokenizer.token(token_id) or ""
    if text and "\N{REPLACEMENT CHARACTER}" not in text:
        return text.encode()
    if byte := _BYTE.fullmatch(written):
        return bytes([int(byte[1], 16)])
    if text and written and _bytes_by_character().keys() >= set(written):
        return bytes(_bytes_by_character()[character] for character in written)
    return (text or written).encode()


@cache
def _bytes_by_character() -> Mapping[str, int]:
    """What byte-level vocabularies write for each byte: itself, or a character beyond 255 for one in turn."""
    characters = sorted(ByteLevel.alphabet())
    themselves = [character for character in characters if ord(character) < 256]
    others = sorted(set(range(256)) - set(map(ord, themselves)))
    by_character = {character: ord(character) for character in themselves}
    return by_character | dict(zip(characters[len(themselves) :], others, strict=True))
