"""`textgen trigger`: runs that pushes start."""

import click

from job.command import Group

COMMANDS = {"poll": ("argo.cli.trigger.poll", "Run what was pushed to repositories, once.")}


@click.group("trigger", cls=Group, table=COMMANDS)
def command() -> None:
    """Run workflow files when their branches are pushed to."""
