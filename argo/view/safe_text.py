"""Text made safe for a page: what is hidden, or would turn the direction of text, is shown as what it is."""

import re
import unicodedata
from functools import cache

from markupsafe import Markup, escape

# The characters that job.text.visible replaces, but for the ends of lines and tabs, which a page shows.
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_COLOURS = re.compile(r"\x1b\[[0-9;:]{0,64}m")
_PICTURES = 0x2400  # ␀, the picture of the first of the C0 controls; the others follow it


def show_controls(text: str) -> str:
    """`text` with a sign in the place of each control character: ␛, or [U+202E]."""
    return CONTROLS.sub(lambda match: _sign(match[0]), text)


def mark_controls(text: str) -> Markup:
    """`text` as HTML, with each control character as a marked sign that says its name."""
    return Markup(CONTROLS.sub(lambda match: _mark(match[0]), str(escape(text))))  # noqa: S704  # escaped


def mark_found(text: str, search: str = "", most: int | None = None) -> Markup:
    """`text` as `mark_controls` has it, with the words of `search` marked; at most so many characters."""
    rest = Markup("")
    if most is not None and len(text) > most:
        text, rest = text[:most], Markup('<span class="cut">…</span>')
    if not search.strip('" '):
        return mark_controls(text) + rest
    parts = re.split(f"({_find_pattern(search)})", text, flags=re.IGNORECASE)
    marked = (
        Markup("<mark>{}</mark>").format(mark_controls(part)) if number % 2 else mark_controls(part)
        for number, part in enumerate(parts)
    )
    return Markup("").join(marked) + rest


def strip_colours(line: str) -> str:
    """A line of a log without the sequences that colour a terminal."""
    return _COLOURS.sub("", line)


def _find_pattern(search: str) -> str:
    """What a search finds (see argo.texts.index.Filter): beginnings of words, or the very text."""
    words = search.split()
    if all(re.fullmatch(r"[^\W_]+", word) for word in words):
        return r"\b(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"
    return re.escape(search[1:-1] if len(search) > 2 and search[0] == search[-1] == '"' else search)


@cache
def _mark(character: str) -> str:
    name = unicodedata.name(character, "") or f"control character U+{ord(character):04X}"
    return f'<span class="control" title="{name}">{_sign(character)}</span>'


def _sign(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(_PICTURES + code)
    return "␡" if code == 0x7F else f"[U+{code:04X}]"
