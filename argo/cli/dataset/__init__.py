"""`textgen dataset`: what is in the dataset store, and what made it."""

import importlib

import click

# The command's name, the module here that holds it, its line in --help.
COMMANDS = {
    "list": ("show", "list_datasets", "List datasets."),
    "versions": ("show", "versions", "List the versions of a dataset."),
    "files": ("show", "files", "List the files of a version."),
    "show": ("show", "show", "Show a version and what made it."),
    "get": ("get", "get", "Write a version's files to a folder."),
}


class _Lazy(click.Group):
    """Looks commands up in COMMANDS, so that one imports nothing of another's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(f"argo.cli.dataset.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group("dataset", cls=_Lazy)
def command() -> None:
    """List datasets, their versions and files, and fetch them.

    A version is named [NAMESPACE/]NAME[:VERSION], where VERSION is an id, a tag or latest.
    """
