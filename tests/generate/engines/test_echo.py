"""The echo engine says the prompt's words again."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from job.generate.engines.echo import Words
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_rows


def test_the_words_of_the_prompt_come_again_up_to_the_limit(tmp_path: Path) -> None:
    run(Settings(engine="echo", prompt="one  two\nthree", max_length=8, num_return_sequences=2), tmp_path)
    rows = read_rows(tmp_path)
    assert [row["text"] for row in rows] == ["one  two\nthree one  two\nthree one  two"] * 2
    assert (rows[0]["prompt_tokens"], rows[0]["new_tokens"], rows[0]["finish_reason"]) == (3, 5, "length")


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_is_words_and_back(text: str) -> None:
    assert Words().decode(Words().encode(text)) == text
