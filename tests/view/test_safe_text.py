"""What is hidden in a text, or would turn its direction, is shown."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from argo.view.rendering import get_environment
from argo.view.safe_text import CONTROLS, mark_controls, mark_found, show_controls, strip_colours
from job.text import visible


def test_each_control_character_is_a_sign() -> None:
    characters = map(chr, range(sys.maxunicode + 1))
    differ = [c for c in characters if bool(CONTROLS.match(c)) != (visible(c, keep="\n\t") != c)]
    assert {unicodedata.category(c) for c in differ} <= {"Cn"}  # this Python's Unicode does not know them yet


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\tb", "a\n\tb"),
        ("\x1b[31m\r\x7f", "␛[31m␍␡"),
        ("a\u202eb\ud800", "a[U+202E]b[U+D800]"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)
def test_signs_are_what_people_know(text: str, shown: str) -> None:
    assert show_controls(text) == shown


@given(st.text())
def test_every_value_of_a_template_is_text(text: str) -> None:
    """Also in an attribute, and whatever a filter makes of it."""
    source = '<p title="{{ x }}">{{ x }}|{{ x | marked }}|{{ x | found(x) }}</p>'
    html = get_environment().from_string(source).render(x=text)
    inner = html.removeprefix('<p title="').removesuffix("</p>")
    for tag in ("</span>", "</mark>", "<mark>"):
        inner = inner.replace(tag, "")
    assert inner.count("<") == inner.count('<span class="control" title="')
    assert not CONTROLS.search(html)


def test_what_was_searched_for_is_marked() -> None:
    assert mark_found("The other <ship>", "SHIP the") == Markup(
        "<mark>The</mark> other &lt;<mark>ship</mark>&gt;"
    )
    assert mark_found("a+b c", "+b") == Markup("a<mark>+b</mark> c")
    assert mark_found("say hello", '"y h"') == Markup("sa<mark>y h</mark>ello")
    assert mark_found("abcdef", most=3) == Markup('abc<span class="cut">…</span>')


def test_a_sign_has_its_name() -> None:
    assert mark_controls("\u202e\x07<") == Markup(
        '<span class="control" title="RIGHT-TO-LEFT OVERRIDE">[U+202E]</span>'
        '<span class="control" title="control character U+0007">␇</span>&lt;'
    )


def test_a_log_has_no_colours_but_all_other_signs() -> None:
    assert show_controls(strip_colours("\x1b[1;31mred\x1b[0m \x1b[2J")) == "red ␛[2J"
