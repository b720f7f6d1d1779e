"""Words that are not generated, by the rule of vLLM."""

from collections.abc import Sequence
from typing import Any

import pytest

from job.errors import PromptError
from job.generate.bad_words import encode_bad_words, find_last_tokens


class Characters:
    """A tokenizer whose tokens are characters, but a space and the first one of a word are one token."""

    def encode(self, text: str, *, add_special_tokens: bool = True) -> tuple[int, ...]:
        spaced = text.startswith(" ") and len(text) > 1
        first = (1000 + ord(text[1]),) if spaced else tuple(map(ord, text[:1]))
        return (*first, *map(ord, text[1 + spaced :]))


CHARACTERS: Any = Characters()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dog", [(100, 111, 103), (1100, 111, 103)]),
        (" dog", [(100, 111, 103), (1100, 111, 103)]),
    ],
)
def test_a_word_is_meant_at_the_beginning_of_a_text_and_behind_a_space(
    word: str, expected: list[tuple[int, ...]]
) -> None:
    assert list(encode_bad_words((word,), CHARACTERS)) == expected


def test_a_word_of_spaces_is_none() -> None:
    with pytest.raises(PromptError, match=r"^bad_words: ' ' is no word$"):
        encode_bad_words((" ",), CHARACTERS)


@pytest.mark.parametrize(
    ("new_ids", "banned"),
    [([], [9]), ([1], [9, 2]), ([1, 2], [9, 3]), ([1, 2, 3], [9]), ([5, 1], [9, 2])],
)
def test_only_what_completes_a_word_must_not_come(new_ids: Sequence[int], banned: list[int]) -> None:
    assert find_last_tokens(((9,), (1, 2), (1, 2, 3)), new_ids) == banned
