"""`textgen dataset`: what is in the dataset store, and what made it."""

import importlib

import click

# The command's name: the module here that holds it, its attribute there, its line in --help.
COMMANDS = {
    "list": ("show", "list_datasets", "List datasets."),
    "versions": ("show", "versions", "List the versions of a dataset."),
    "files": ("show", "files", "List the files of a version."),
    "show": ("show", "show", "Show a version and what made it."),
    "diff": ("diff", "diff", "Show what changed between two versions."),
    "get": ("transfer", "get", "Write a version's files to a folder."),
    "create": ("change", "create", "Make an empty dataset."),
    "commit": ("transfer", "commit", "Make a version of a folder."),
    "put": ("transfer", "put", "Make a version of the latest one and more files."),
    "tag": ("change", "tag", "Give a version a tag, or move it there."),
    "untag": ("change", "untag", "Take a tag away."),
    "delete": ("change", "delete", "Delete a version, or a whole dataset."),
    "gc": ("maintenance", "gc", "Free what no version holds."),
    "verify": ("maintenance", "verify", "Read versions again, to see that they are whole."),
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
    """Make, see and fetch versions of datasets.

    A version is named [NAMESPACE/]NAME[:VERSION], where VERSION is an id, a tag or latest.
    """
