"""Stop texts end a text where they appear, in any engine, whatever the borders of tokens are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from job.generate.models.tokenizer import FastTokenizer
from job.generate.run import run
from job.generate.settings import Settings
from job.generate.stop_texts import StopTexts, cut_at_stop
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
    found = next((count for count in range(1, len(token_ids) + 1) if stops.appear(token_ids[:count])), None)
    expected = [count for count in range(len(token_ids) + 1) if stop in tokenizer.decode(token_ids[:count])]
    assert found == (expected[0] if expected else None)


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
    assert cut_at_stop(text, stops) == cut


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
        assert ended["completion"] == cut_at_stop(whole["completion"], ["e", "th"])
        assert _is_shorter(ended, whole) or ended == whole


def _is_shorter(ended: dict[str, Any], whole: dict[str, Any]) -> bool:
    return bool(ended["finish_reason"] == "stop" and ended["new_tokens"] <= whole["new_tokens"])
