"""New tokens as text."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby

from job.generate.models.tokenizer import Tokenizer


def decode_new_tokens(tokenizer: Tokenizer, prompt_ids: Sequence[int], new_ids: Sequence[int]) -> str:
    """The text that the new tokens add to the prompt's, without special tokens.

    A character of which only some bytes were generated becomes one U+FFFD.
    """
    prompt = _decode(tokenizer, prompt_ids)
    return _decode(tokenizer, (*prompt_ids, *new_ids))[len(prompt) :]


def _decode(tokenizer: Tokenizer, token_ids: Sequence[int]) -> str:
    ids = _repair_bytes(token_ids, _byte_tokens(tokenizer))
    return tokenizer.decode(ids)


@lru_cache(maxsize=1)
def _byte_tokens(tokenizer: Tokenizer) -> Mapping[int, int]:
    """The bytes of a tokenizer with byte fallback (Llama's `<0x00>` to `<0xFF>`), by their tokens."""
    ids = [tokenizer.token_id(f"<0x{byte:02X}>") for byte in range(256)]
    return {} if None in ids else {token: byte for byte, token in enumerate(ids) if token is not None}


def _repair_bytes(token_ids: Sequence[int], bytes_by_token: Mapping[int, int]) -> list[int]:
    """The same tokens, with those of U+FFFD in the place of each torn character.

    tokenizers' ByteFallback makes a mark of each byte in a row, if only one of them is torn.
    """
    if bytes_by_token.keys().isdisjoint(token_ids):
        return list(token_ids)
    tokens_by_byte = {byte: token for token, byte in bytes_by_token.items()}
    repaired: list[int] = []
    for is_byte, run in groupby(token_ids, bytes_by_token.__contains__):
        if is_byte:
            text = bytes(bytes_by_token[token] for token in run).decode("utf-8", "replace")
            repaired += [tokens_by_byte[byte] for byte in text.encode()]
        else:
            repaired += run
    return repaired
