"""A matcher follows a text through a grammar, wherever the borders of its tokens are."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.errors import ModelError
from job.generate.engines.echo import Words
from job.generate.matcher import Matcher
from job.generate.models.tokenizer import Tokenizer
from job.generate.structure import build_grammar
from tests.generate.engines.test_decoding import byte_fallback, byte_level

pytestmark = pytest.mark.model
# without the tokenizers' own texts, such as <s>, which are tokens that no structure takes
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0<"), min_size=1, max_size=8)


def follow(matcher: Matcher, token_ids: tuple[int, ...], stop_ids: tuple[int, ...] = ()) -> str:
    """Where the tokens lead: `complete`, or what may come behind them."""
    size = matcher.tokenizer.size
    for count in range(len(token_ids)):
        assert matcher.make_mask(token_ids[:count], stop_ids, size)[token_ids[count]], count
        if count:
            assert not matcher.is_complete(token_ids[:count])
    return "complete" if matcher.is_complete(token_ids) else "open"


@given(choices=st.lists(TEXTS, min_size=1, max_size=3, unique=True), is_fallback=st.booleans())
def test_each_choice_can_be_made_and_ends_where_no_other_goes_on(
    choices: list[str], is_fallback: bool
) -> None:
    tokenizer: Tokenizer = byte_fallback() if is_fallback else byte_level()
    grammar = build_grammar("", "", tuple(f" {each}" if is_fallback else each for each in choices))
    for choice in choices:
        token_ids = tokenizer.encode(choice)  # this one writes a space first
        is_longest = not any(each != choice and each.startswith(choice) for each in choices)
        assert follow(Matcher(grammar, tokenizer), token_ids) == ("complete" if is_longest else "open")


def test_the_end_of_a_text_may_come_where_the_structure_ends() -> None:
    tokenizer = byte_level()
    matcher, stop_ids = Matcher(build_grammar("", "qz?", ()), tokenizer), (0, 290)
    (a,), (b,) = tokenizer.encode("q"), tokenizer.encode("z")
    assert np.flatnonzero(matcher.make_mask((), stop_ids, 400)).tolist() == [a]
    assert np.flatnonzero(matcher.make_mask((a,), stop_ids, 400)).tolist() == sorted([0, 290, b])
    assert np.flatnonzero(matcher.make_mask((a,), (), 400)).tolist() == [b]
    assert len(matcher.make_mask((a,), stop_ids, 400)) == 400


def test_a_text_that_is_begun_again_is_followed_from_its_beginning() -> None:
    tokenizer = byte_level()
    matcher = Matcher(build_grammar("", "abc|bcd", ()), tokenizer)
    a, b, c, d = tokenizer.encode("a") + tokenizer.encode("b") + tokenizer.encode("c") + tokenizer.encode("d")
    assert matcher.make_mask((a, b), (), 300)[c]
    assert matcher.make_mask((b, c), (), 300)[d]
    assert matcher.is_complete((b, c, d))
    assert not matcher.is_complete((b,))


def test_a_structure_that_no_token_goes_on_with_is_one_line() -> None:
    matcher = Matcher(build_grammar("", "a", ()), byte_level())
    (a,) = byte_level().encode("a")
    assert matcher.make_mask((a,), (), 300).all()
    assert matcher.error == "no token of the model goes on with a text of this structure; try another one"
    assert not matcher.make_mask((), (), 300).all()
    assert matcher.error == ""
    assert not matcher.is_complete((5, 6))
    assert re.fullmatch(r"the structure can't be followed: .+", matcher.error)


def test_a_structure_that_takes_too_much_is_one_text_s_error() -> None:
    matcher = Matcher(build_grammar("", "a{1000000000}", ()), byte_level())
    token_ids = byte_level().encode("a") * 5
    masks = [matcher.make_mask(token_ids[:count], (), 300) for count in range(5)]
    assert masks[-1].all()
    assert re.fullmatch(r"the structure can't be followed: lexer error: too many .*", matcher.error)


def test_a_tokenizer_of_another_library_is_one_line() -> None:
    with pytest.raises(ModelError, match=r"^the model's tokenizer is none of the tokenizers library"):
        Matcher(build_grammar("", "a", ()), Words()).check()
