"""Text of messages: the nearest name, quotes, lists, and text made harmless for a terminal or Markdown."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

TAB = "\t"

# Also lone surrogates, the ends of lines and paragraphs, and what changes the direction of text.
_CONTROLS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # of letters, and of emoji
_COLOURS = re.compile(r"(\x1b\[[0-9;:]{0,64}m)")
_RESET = "\x1b[0m"
_PUNCTUATION = re.compile(r"[!-,.;-@\[-`{-~]|:(?=/)")  # all that means something within a line


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of `names` that is most like `name`, if any is; `cutoff` is difflib's, from 0 to 1.

    Only a hundred are compared letter by letter: difflib takes a third of a millisecond for each.
    """
    by_folded = {each.casefold(): each for each in names}
    folded = name[:100].casefold()
    if folded in by_folded:
        return by_folded[folded]
    close = difflib.get_close_matches(folded, list(by_folded)[:100], n=1, cutoff=cutoff)
    return by_folded[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """A hint: the nearest of `names`, or what there is to choose from."""
    names = list(names)
    if near := nearest(name, names):
        return f"did you mean {quoted(near)}?"
    return otherwise or (f"write one of {listed(names)}" if names else "")


def listed(names: Iterable[str], most: int = 8) -> str:
    """`a, b, c`, cut short if there are many."""
    names = [shortened(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def quoted(text: str) -> str:
    """`text` as a message shows it: in quotes, and short."""
    return repr(str(shortened(text)))  # repr() of a StrEnum is not that of its value


def shortened(text: str, most: int = 60) -> str:
    """`text`, or its beginning if it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_line(text: str) -> str:
    """`text` on one line of a terminal: control characters as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def visible(text: str, *, keep: str = "") -> str:
    """`text` on a terminal: each character that would control it, but those in `keep`, replaced by a mark."""
    if text.isprintable():
        return text
    return "".join(c if c in keep or not _is_control(c) else "�" for c in text)


def visible_line(line: str) -> str:
    """A line of a log on a terminal: its colours and tabs, and nothing else that would control it."""
    parts = _COLOURS.split(line)  # text and colours in turn
    shown = "".join(part if number % 2 else visible(part, keep=TAB) for number, part in enumerate(parts))
    return f"{shown}{_RESET}" if len(parts) > 1 and parts[-2:] != [_RESET, ""] else shown


def markdown_block(text: str) -> str:
    """`text` as an indented block of Markdown, which nothing in it can end. It must follow an empty line."""
    return "".join(f"    {visible(line, keep=TAB)}\n" for line in text.splitlines())


def markdown_inline(text: str) -> str:
    """`text` on one line of Markdown, with nothing in it that means something there."""
    return _PUNCTUATION.sub(r"\\\g<0>", visible(text))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _CONTROLS and character not in _JOINERS
