"""`-p NAME=VALUE`."""

import click

from job.errors import InputError


def _pairs(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"-p {text}: write -p NAME=VALUE")
        values[name] = value
    return values


parameters_option = click.option(
    "-p", "parameters", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="A workflow input."
)
