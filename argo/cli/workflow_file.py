"""What the commands that take a workflow file share: its warnings, and options of the form NAME=VALUE."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from job.errors import InputError

if TYPE_CHECKING:
    from argo.language.diagnostics import Diagnostic

# Warnings that do not hold for a file in its repository.
_SETTLED = {"unset-event"}


def print_warnings(diagnostics: "Iterable[Diagnostic]") -> None:
    """Print the warnings to stderr, without those that the file's repository settles."""
    for diagnostic in diagnostics:
        if diagnostic.code not in _SETTLED:
            click.echo(diagnostic, err=True)


def parse_pairs(_ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """The values by their names. Raises InputError."""
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{param.opts[0]} {text}: write {param.opts[0]} {param.metavar}")
        values[name] = value
    return values


parameters_option = click.option(
    "-p",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parse_pairs,
    help="Value of a workflow input.",
)
