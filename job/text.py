"""Text of messages: the nearest name, quotes, lists, and control characters made harmless."""

import difflib
from collections.abc import Iterable


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


def one_line(text: str) -> str:
    """`text` on one line of a terminal: control characters as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def visible(text: str, *, keep: str = "") -> str:
    """`text` on a terminal: each control character but those in `keep` replaced by a mark."""
    return "".join(c if c.isprintable() or c in keep else "�" for c in text)
