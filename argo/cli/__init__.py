"""The `textgen` command. Each subcommand is a module, imported only when it is called."""

import os
from typing import NoReturn

import click

from job.command import LazyGroup, run_group

# Set by a shell that wants a word completed: click's name for it.
COMPLETION_VARIABLE = "_TEXTGEN_COMPLETE"

# A command's name, the module that holds it as `command`, its line in --help.
COMMANDS = {
    "run": ("argo.cli.run", "Run a workflow file on this machine."),
    "submit": ("argo.cli.submit", "Run a workflow file on a cluster."),
    "watch": ("argo.cli.watch", "Follow a run until it completes."),
    "list": ("argo.cli.list", "List runs."),
    "get": ("argo.cli.get", "Show a run and its jobs."),
    "logs": ("argo.cli.logs", "Print the logs of a run or of one job."),
    "view": ("argo.cli.view", "Show runs, datasets and texts in a browser."),
    "report": ("argo.cli.report", "Write a version's texts as one HTML file."),
    "stop": ("argo.cli.stop", "Stop a run."),
    "retry": ("argo.cli.retry", "Retry the failed jobs of a run."),
    "trigger": ("argo.cli.trigger", "Run workflow files on pushes to their branches."),
    "secret": ("argo.cli.secret", "Set, list and delete secrets on a cluster."),
    "generate": ("argo.cli.generate", "Generate text (python -m job generate)."),
    "dataset": ("argo.cli.dataset", "Create, list and fetch versions of datasets."),
    "compile": ("argo.cli.compile", "Compile a workflow file to plain Argo YAML."),
    "lint": ("argo.cli.lint", "Check workflow files."),
    "completion": ("argo.cli.completion", "Print the completion script of a shell."),
    "init": ("argo.cli.init", "Add a working workflow file to a repository."),
}


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"textgen {version('argo-textgen')}")
        ctx.exit()


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version and exit.",
)
@click.option("--debug", is_flag=True, help="Show the traceback if a command fails.")
def textgen(debug: bool) -> None:
    """Run Gradient workflows on this machine or on a cluster."""


def main(argv: list[str] | None = None) -> NoReturn:
    """The console script."""
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from argo.cli.completion import complete

        complete(textgen, instruction)
    run_group(textgen, "textgen", argv)
