"""A command with subcommands, each imported when it is called; an error is one line."""

import importlib
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from job.errors import InputError, TextgenError
from job.extras import describe_missing
from job.text import visible


class FilePath(click.Path):
    """A path of the command line. An empty one, as an unset variable leaves it, is not the current folder."""

    def __init__(self, **checks: bool) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("The path is empty.", param, ctx)
        return super().convert(value, param, ctx)


class LazyGroup(click.Group):
    """`table` has, for each subcommand, its module and its line in --help.

    `package.module:name` is the attribute `name` of the module; without a name it is `command`.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.table:
            return None
        module, _, attribute = self.table[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute or "command")
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        commands = [
            CompletionItem(name, help=line)
            for name, (_, line) in self.table.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])


def print_notice(line: str) -> None:
    """Print a line on stderr. Names and texts in it may be anybody's: they do not control the terminal."""
    click.echo(visible(line), err=True)


def run_group(group: click.Group, name: str, argv: list[str] | None = None) -> NoReturn:
    """Run a command line and exit with its status; an error is printed as one line."""
    args = sys.argv[1:] if argv is None else argv
    try:
        result: Any = group.main(args, prog_name=name, standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except ModuleNotFoundError as error:
        missing = describe_missing(error.name or "")
        if missing is None or "--debug" in args:
            raise
        click.echo(f"textgen: {missing}", err=True)
        sys.exit(InputError.exit_status)
    except (TextgenError, OSError) as error:
        if "--debug" in args:
            traceback.print_exc()
        click.echo(f"textgen: {_format_error(error)}", err=True)
        sys.exit(error.exit_status if isinstance(error, TextgenError) else InputError.exit_status)


def _format_error(error: TextgenError | OSError) -> str:
    if isinstance(error, TextgenError):
        return visible(str(error), keep="\n\t")
    path = f"{error.filename}: " if error.filename else ""
    return visible(f"{path}{error.strerror or error}")
