"""The pages about clusters name commands and options that exist."""

import re
from pathlib import Path

import click
import pytest

from argo.cli import textgen

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["submit", "console", "triggers"])
def test_every_command_on_the_page_exists(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text("utf-8")
    lines = re.findall(r"(?:`|^|\| )textgen ([^`\n|]+)", text, re.MULTILINE)
    assert lines
    for line in lines:
        command, words = found(line.split())
        options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        for word in re.findall(r"(?<!\S)--?[\w-]+", " ".join(words)):
            assert word in options | {"--scope"}, f"textgen {line}: no {word}"


def found(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that a line calls, and the words after its name."""
    command: click.Command = textgen
    with click.Context(textgen) as context:
        while isinstance(command, click.Group):
            inner = command.get_command(context, words[0])
            assert inner, f"no command {words[0]}"
            command, words = inner, words[1:]
    return command, words
