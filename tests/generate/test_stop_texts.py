"""Stop texts end a text where they appear, in any engine, whatever the borders of tokens are."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, normalizers
from tokenizers.models import BPE

from job.generate.engines.decoding import decode_new_tokens
from job.generate.engines.echo import Words
from job.generate.models.tokenizer import FastTokenizer
from job.generate.run import run
from job.generate.settings import Settings
from job.generate.stop_texts import StopTexts, find_stop
from tests.generate.conftest import read_rows, vocabulary


@pytest.fixture(scope="module")
def tokenizer() -> FastTokenizer:
    backend: Tokenizer = vocabulary()
    return FastTokenizer(backend)


@given(text=st.text("lmoaé🙂 ", max_size=40), stop=st.text("lmoaé🙂 ", min_size=1, max_size=5))
def test_a_stop_text_is_found_with_the_token_that_completes_it(
    tokenizer: FastTokenizer, text: str, stop: str
) -> None:
    token_ids = tokenizer.encode(text)
    stops = StopTexts((stop, "never there"), tokenizer)
    assert _find(stops, (), token_ids) == _find_in_text(stop, tokenizer, (), token_ids)


@given(text=st.text("lmoé🙂 ", min_size=1, max_size=30), stop=st.text("lmoé🙂 ", min_size=1, max_size=4))
def test_it_is_found_where_a_tokenizer_leaves_out_the_first_space(text: str, stop: str) -> None:
    tokenizer = _sentencepiece()
    prompt_ids, token_ids = tokenizer.encode("lm"), tokenizer.encode(text)
    expected = _find_in_text(stop, tokenizer, prompt_ids, token_ids)
    assert _find(StopTexts((stop,), tokenizer), prompt_ids, token_ids) == expected


@lru_cache
def _sentencepiece() -> FastTokenizer:
    """As Llama 2 and Mistral have it: the space is a character, and others may be bytes."""
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁lmoé"]
    backend = Tokenizer(BPE({token: id_ for id_, token in enumerate(tokens)}, [], byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", left=1),
        ]
    )
    return FastTokenizer(backend)


def _find(stops: StopTexts, prompt_ids: Sequence[int], token_ids: Sequence[int]) -> int | None:
    """The number of new tokens with which a stop text appears."""
    counts = range(1, len(token_ids) + 1)
    return next((count for count in counts if stops.appear(prompt_ids, token_ids[:count])), None)


def _find_in_text(
    stop: str, tokenizer: FastTokenizer, prompt_ids: Sequence[int], token_ids: Sequence[int]
) -> int | None:
    """The same in the text that a row gets."""
    texts = [
        decode_new_tokens(tokenizer, prompt_ids, token_ids[:count]) for count in range(len(token_ids) + 1)
    ]
    return next((count for count, text in enumerate(texts) if stop in text), None)


@pytest.mark.parametrize(
    ("text", "stops", "cut"),
    [
        ("one two", ["three"], "one two"),
        ("one two", ["two"], "one "),
        ("one two", ["two", "ne"], "o"),
        ("aXbX", ["X"], "a"),
        ("X", ["X"], ""),
    ],
)
def test_a_text_ends_before_the_first_of_them(text: str, stops: list[str], cut: str) -> None:
    assert StopTexts(tuple(stops), Words()).cut((), Words().encode(text), text) == cut


def test_the_prompt_is_not_looked_at(tmp_path: Path) -> None:
    settings = Settings(engine="echo", prompt="a b c d", stop=("b c",), num_return_sequences=1)
    run(settings, tmp_path)
    (row,) = read_rows(tmp_path)
    assert (row["text"], row["completion"], row["new_tokens"]) == ("a b c d a ", " a ", 3)
    assert row["finish_reason"] == "stop"


@pytest.mark.model
@pytest.mark.parametrize("engine", ["transformers", "openvino"])
def test_a_text_with_a_stop_is_the_beginning_of_the_one_without(
    settings: Settings, llama: Path, prompts_file: str, tmp_path: Path, engine: str
) -> None:
    settings = replace(
        settings, model=str(llama), engine=engine, prompts=prompts_file, num_return_sequences=3, max_length=60
    )
    run(settings, tmp_path / "without")
    run(replace(settings, stop=("e", "th")), tmp_path / "with")
    pairs = list(zip(read_rows(tmp_path / "without"), read_rows(tmp_path / "with"), strict=True))
    assert any(ended["finish_reason"] == "stop" != whole["finish_reason"] for whole, ended in pairs)
    for whole, ended in pairs:
        place = find_stop(whole["completion"], ["e", "th"])
        assert ended["completion"] == whole["completion"][: place if place >= 0 else None]
        assert _is_shorter(ended, whole) or ended == whole


def _is_shorter(ended: dict[str, Any], whole: dict[str, Any]) -> bool:
    return bool(ended["finish_reason"] == "stop" and ended["new_tokens"] <= whole["new_tokens"])
