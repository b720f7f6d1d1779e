"""Texts on a terminal, each with its prompt apart."""

import io
from collections.abc import Iterable
from itertools import takewhile

import click

from argo.cli.pager import Page
from argo.texts.rows import BrokenRow, Row
from job.text import counted, visible


def write_rows(rows: Iterable[Row | BrokenRow], page: Page) -> None:
    """Write each row's name and how it ended, its prompt after `>`, and what follows that.

    A prompt that is that of the row before is left out; a line that is no row is named.
    """
    prompt = None
    for row in rows:
        if isinstance(row, BrokenRow):
            page.write(click.style(f"{visible(str(row))}\n", fg="red"))
            continue
        page.write(format_title(row, describe_end(row)))
        if row.prompt and row.prompt != prompt:
            page.write(quote(clean(row.prompt)))
        prompt = row.prompt
        if row.error:
            page.write(click.style(f"error: {clean(row.error)}", fg="red"))
        page.write(f"{clean(row.completion)}\n")


def format_beginning(rows: Iterable[Row | BrokenRow], most: int) -> str:
    """The first rows as `write_rows` shows them without colours: at most so many characters."""
    stream = io.StringIO()
    write_rows(takewhile(lambda _: stream.tell() < most, rows), Page(stream, has_colours=False))
    return click.unstyle(stream.getvalue())[:most]


def format_title(row: Row, described: str) -> str:
    """The line above a text."""
    name = click.style(f"{visible(row.id)} #{row.sequence}", fg="yellow", bold=True)
    return f"{name}  {described}".rstrip()


def describe_end(row: Row) -> str:
    """Why the text ended, and how long it is."""
    tokens = counted(row.new_tokens, "new token") if row.new_tokens is not None else ""
    return ", ".join(filter(None, [visible(row.finish_reason), tokens]))


def quote(text: str) -> str:
    """A prompt, which stands apart from the text that follows it."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def clean(text: str) -> str:
    """A text of several lines that can't control the terminal."""
    return visible(text, keep="\n\t")
