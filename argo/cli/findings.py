"""What a command that runs a workflow file says of the file first."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from argo.language.diagnostics import Diagnostic

# The repository around the file settles these.
_SETTLED = {"unset-event"}


def print_warnings(diagnostics: "Iterable[Diagnostic]") -> None:
    """Print to stderr, a line each, what is not settled by running the file from its repository."""
    for finding in diagnostics:
        if finding.code not in _SETTLED:
            click.echo(finding, err=True)
