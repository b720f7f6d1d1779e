"""Long output: in the user's pager on a terminal, as git's is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

import click


@dataclass(frozen=True)
class Page:
    """Where long output goes; `has_colours` says whether colours are shown there."""

    stream: TextIO
    has_colours: bool

    def write(self, line: str) -> None:
        """Write a line, or several."""
        self.stream.write(f"{line}\n")


@contextmanager
def open_pager() -> Iterator[Page]:
    """The pager PAGER, else less; if this is no terminal, standard output, without colours.

    less gets git's options unless LESS is set: it ends at once if all fits on the screen.
    """
    os.environ.setdefault("LESS", "-FRX")
    with click.get_pager_file() as stream:
        yield Page(stream, bool(getattr(stream, "color", False)))
