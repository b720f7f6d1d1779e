"""Texts in messages: the nearest name, quotes and lists, and nothing that a terminal would obey."""

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of `names` that `name` was probably meant to be, or None; `cutoff` 1 takes the same name only.

    Only a hundred are compared letter by letter: difflib takes a third of a millisecond for each.
    """
    by_case = {each.casefold(): each for each in names}
    wanted = name[:100].casefold()
    if wanted in by_case:
        return by_case[wanted]
    close = difflib.get_close_matches(wanted, list(by_case)[:100], n=1, cutoff=cutoff)
    return by_case[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """A hint: the nearest of `names`, or what there is to choose from."""
    names = list(names)
    near = nearest(name, names)
    if near:
        return f"did you mean {quoted(str(near))}?"
    return otherwise or (f"write one of {listed(names)}" if names else "")


def listed(names: Iterable[str], most: int = 8) -> str:
    """`a, b, c`, cut short where there are many."""
    names = [shortened(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def quoted(text: str) -> str:
    """`text` as a message shows it: in quotes, and short."""
    return repr(shortened(text))


def shortened(text: str, most: int = 60) -> str:
    """`text`, or its beginning where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def one_line(text: str) -> str:
    """`text` on one line of a terminal: control characters as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def visible(text: str, *, keep: str = "") -> str:
    """`text` on a terminal: each control character, except those in `keep`, as a mark in its place."""
    return "".join(c if c.isprintable() or c in keep else "�" for c in text)
