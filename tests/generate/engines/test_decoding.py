"""New tokens become the characters that they spell."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.generate.engines.decoding import decode_new_tokens
from job.generate.models.tokenizer import FastTokenizer
from tests.generate.conftest import vocabulary

pytestmark = pytest.mark.model

UNKNOWN, BEGIN = "<unk>", "<s>"
EMOJI = "😀".encode()


@cache
def byte_fallback() -> FastTokenizer:
    """As Llama's, Mistral's and Gemma's: a word or its letters, and a token for each byte of all others."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    pieces = [UNKNOWN, BEGIN, *(f"<0x{byte:02X}>" for byte in range(256)), *"▁theabc"]
    tokens = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(tokens, [], unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([UNKNOWN, BEGIN])
    return FastTokenizer(tokenizer)


@cache
def byte_level() -> FastTokenizer:
    """As GPT-2's."""
    return FastTokenizer(vocabulary())


def byte_ids(data: bytes) -> list[int]:
    return [2 + byte for byte in data]


def test_a_torn_character_is_one_mark_and_takes_nothing_with_it() -> None:
    tokenizer = byte_fallback()
    prompt_ids = tokenizer.encode("the 日本")
    assert decode_new_tokens(tokenizer, prompt_ids, byte_ids("語".encode() + EMOJI[:2])) == "語\ufffd"


@pytest.mark.parametrize("kept", range(1, 4))
@pytest.mark.parametrize("after", ["", "a"])
def test_a_torn_character_is_one_mark_wherever_it_is_torn(kept: int, after: str) -> None:
    tokenizer = byte_fallback()
    rest = [token for token in map(tokenizer.token_id, after) if token is not None]
    text = decode_new_tokens(tokenizer, tokenizer.encode("日"), [*byte_ids(EMOJI[:kept]), *rest])
    assert text == f"\ufffd{after}"


@pytest.mark.parametrize("tokenizer", [byte_fallback, byte_level])
@given(prompt=st.text(st.characters(codec="utf-8"), min_size=1), text=st.text(st.characters(codec="utf-8")))
def test_any_text_after_any_prompt_comes_back(tokenizer: Any, prompt: str, text: str) -> None:
    ids = tokenizer().encode(text, add_special_tokens=False)
    if tokenizer is byte_fallback:  # which puts a blank before each text
        text = f" {text}".replace("▁", " ") if text else ""
    assert decode_new_tokens(tokenizer(), tokenizer().encode(prompt), ids) == text
