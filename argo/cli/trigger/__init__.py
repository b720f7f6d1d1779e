"""`textgen trigger`: runs that pushes start."""

import click

from job.command import LazyGroup

COMMANDS = {"poll": ("argo.cli.trigger.poll", "Poll repositories once, and run what was pushed.")}


@click.group("trigger", cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Run workflow files on pushes to their branches."""
