"""`python -m job COMMAND`: what a container of the job runs. Each command is imported when called."""

import importlib
import sys
import traceback
from typing import Any, NoReturn

import click

from job.errors import TextgenError

# The command's name, the module that holds it as `command`, its line in --help.
COMMANDS = {
    "generate": ("job.generate", "Generate text from prompts."),
    "model": ("job.models", "Make a model ready and print its folder."),
    "checkout": ("job.checkout", "Check a git repository out at a commit."),
    "download": ("job.download", "Fetch objects from S3."),
    "inputs": ("job.pod.inputs", "Make what a job of a workflow finds when it starts."),
    "commit": ("job.pod.commit", "Store what a job of a workflow made."),
}


class _Lazy(click.Group):
    """Looks commands up in COMMANDS, so that --help imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def job(debug: bool) -> None:
    """Do one step of a workflow's job."""


def main(argv: list[str] | None = None) -> NoReturn:
    """Run a command, print an error as one line, exit with its status."""
    args = sys.argv[1:] if argv is None else argv
    try:
        result: Any = job.main(args, prog_name="python -m job", standalone_mode=False)
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


if __name__ == "__main__":
    main()
