"""Two texts with the words that differ: in colours, or between the marks of git diff --word-diff."""

from collections.abc import Sequence

import click

from argo.cli.dataset.texts import clean, describe_end, format_title, quote
from argo.cli.pager import Page
from argo.texts.comparison import Kind, Pair
from argo.texts.words import Change, diff_words

_MARKS = {Change.SAME: ("", ""), Change.REMOVED: ("[-", "-]"), Change.ADDED: ("{+", "+}")}
_COLOURS = {Change.REMOVED: "red", Change.ADDED: "green"}


def write_pair(pair: Pair, versions: Sequence[str], page: Page) -> None:
    """Write the name of two rows, how much they differ, their prompt, and what differs."""
    rows = [row for row in (pair.before, pair.after) if row]
    if pair.kind is Kind.ONLY:
        described = f"only in {versions[0] if pair.before else versions[1]}"
    else:
        described = f"{pair.difference:.0%} differs"
        if rows[0].id != rows[1].id:
            described += f", was {clean(rows[0].id)}"
    ends = " -> ".join(dict.fromkeys(map(describe_end, rows)))
    page.write(format_title(rows[-1], "; ".join(filter(None, [described, ends]))))
    before, after = (
        [row.prompt, row.error, row.completion] if row else [""] * 3 for row in (pair.before, pair.after)
    )
    prompt, error, completion = (_diff(*texts, page.has_colours) for texts in zip(before, after, strict=True))
    if prompt:
        page.write(quote(prompt))
    if error:
        page.write(f"error: {error}")
    page.write(f"{completion}\n")


def _diff(before: str, after: str, has_colours: bool) -> str:
    mark = _colour if has_colours else _mark
    return "".join(mark(change, clean(text)) for change, text in diff_words(before, after))


def _mark(change: Change, text: str) -> str:
    start, end = _MARKS[change]
    return f"{start}{text}{end}"


def _colour(change: Change, text: str) -> str:
    """The text in its colour, each line by itself: less forgets a colour at the end of a line."""
    if change is Change.SAME:
        return text
    removed = change is Change.REMOVED
    lines = text.split("\n")
    return "\n".join(line and click.style(line, fg=_COLOURS[change], strikethrough=removed) for line in lines)
