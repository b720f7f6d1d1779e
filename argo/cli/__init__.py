"""The `textgen` command. Each subcommand is a module, imported only when it is called."""

import importlib
import sys
import traceback
from typing import Any, NoReturn

import click

from job.errors import TextgenError

# The command's name, the module under argo.cli that holds it as `command`, its line in --help.
COMMANDS = {
    "run": ("run", "Run a workflow file on this machine."),
    "submit": ("submit", "Run a workflow file on a cluster."),
    "watch": ("watch", "Follow a run on a cluster to its end."),
    "list": ("list", "List runs."),
    "get": ("get", "Show a run and its jobs."),
    "logs": ("logs", "Print the logs of a run or of one of its jobs."),
    "stop": ("stop", "Stop a run on a cluster."),
    "retry": ("retry", "Run the failed jobs of a run on a cluster again."),
    "secret": ("secret", "Set, list and delete the secrets of workflows on a cluster."),
    "generate": ("generate", "Generate text: python -m job generate."),
    "dataset": ("dataset", "List datasets, their versions and files."),
    "compile": ("compile", "Print a workflow file as plain Argo YAML."),
    "lint": ("lint", "Check workflow files."),
    "init": ("init", "Put a working workflow file into a repository."),
}


class _Lazy(click.Group):
    """Looks commands up in COMMANDS, so that --help imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"argo.cli.{COMMANDS[name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"textgen {version('textgen')}")
        ctx.exit()


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version and exit.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def textgen(debug: bool) -> None:
    """Run Gradient workflows on this machine, and see what they made."""


def main(argv: list[str] | None = None) -> NoReturn:
    """The console script: run a command, print an error as one line, exit with its status."""
    args = sys.argv[1:] if argv is None else argv
    try:
        result: Any = textgen.main(args, prog_name="textgen", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except TextgenError as error:
        if "--debug" in args:
            traceback.print_exc()
        click.echo(f"textgen: {error}", err=True)
        sys.exit(error.exit_status)
