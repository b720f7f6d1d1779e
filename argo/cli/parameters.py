"""Options of the form NAME=VALUE, `-p` above all."""

import click

from job.errors import InputError


def parse_pairs(_ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """The values by their names. Raises InputError."""
    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{param.opts[0]} {text}: write {param.opts[0]} {param.metavar}")
        values[name] = value
    return values


parameters_option = click.option(
    "-p", "parameters", multiple=True, metavar="NAME=VALUE", callback=parse_pairs, help="A workflow input."
)
