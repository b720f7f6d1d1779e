import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo.texts.words import Change, diff_words, difference, repetition

SAME, REMOVED, ADDED = Change


def mark(before: str, after: str) -> str:
    """The parts of two texts as `git diff --word-diff` writes them."""
    marks = {SAME: "{}", REMOVED: "[-{}-]", ADDED: "{{+{}+}}"}
    return "".join(marks[part.change].format(part.text) for part in diff_words(before, after))


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        ("", "", ""),
        ("a b", "a b", "a b"),
        ("", "a", "{+a+}"),
        ("the cat sat on the mat", "the dog sat on the mat", "the[- cat-]{+ dog+} sat on the mat"),
        ("one two three four", "one three four", "one[- two-] three four"),
        ("a\nb", "a b", "a[-\nb-]{+ b+}"),
        ("Hello, I am", "Hello! I am", "Hello[-,-]{+!+} I am"),
        ("今日は良い", "今日は悪い", "今日は[-良-]{+悪+}い"),
        # what two quite different texts have in common by chance is no help to a reader
        ("I am a model of it", "You see a cat of mine", "[-I am a model of it-]{+You see a cat of mine+}"),
    ],
)
def test_words_that_differ(before: str, after: str, marked: str) -> None:
    assert mark(before, after) == marked


TEXTS = st.lists(st.sampled_from(["a", "b", " ", "\n", ".", "良", "the "])).map("".join)


@given(TEXTS, TEXTS)
def test_the_parts_make_both_texts(before: str, after: str) -> None:
    parts = diff_words(before, after)
    assert "".join(part.text for part in parts if part.change != ADDED) == before
    assert "".join(part.text for part in parts if part.change != REMOVED) == after
    assert 0 <= difference(before, after) <= 1
    assert (difference(before, after) == 0) == (before == after)


def test_a_text_that_differs_more_has_more_difference() -> None:
    text = "the cat sat on the mat"
    others = [text, f"{text} ", "the dog sat on the mat", "a dog lay on the mat", "nothing like it"]
    differences = [difference(text, other) for other in others]
    assert differences == sorted(set(differences))
    assert (differences[0], differences[-1]) == (0, 1)


def test_a_text_without_spaces_differs_by_its_characters() -> None:
    assert difference("从前有一个国王", "从前有一个女王") == pytest.approx(1 / 7)


@pytest.mark.parametrize("words", [9_000, 500_000])
def test_texts_that_repeat_themselves_are_compared_in_time(words: int) -> None:
    before, after = "the " * words, "the " * (words // 2) + "a " + "the " * (words // 3)
    started = time.thread_time()
    diff_words(before, after)
    difference(before, after)
    assert time.thread_time() - started < 5


def test_long_texts_are_one_change_between_the_first_and_the_last_difference() -> None:
    before, after = ("".join(f"{n * step} " for n in range(20_000)) for step in (1, 2))
    parts = diff_words(f"Start {before}end", f"Start {after}end")
    assert [part.change for part in parts] == [SAME, REMOVED, ADDED, SAME]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", None),
        ("one two three four", None),
        ("one two three four five", 0),
        ("la la la la la", 2 / 3),
        ("是的是的是的是的", 4 / 6),
        (" on and\non and on and", 2 / 4),
    ],
)
def test_a_text_that_repeats_itself_is_known(text: str, part: float | None) -> None:
    assert repetition(text) == (part if part is None else pytest.approx(part))
