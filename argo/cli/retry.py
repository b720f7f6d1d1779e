"""`textgen retry`."""

from pathlib import Path

import click

from argo.cli.cluster import cluster_options, find_run
from job.errors import InputError


@click.command("retry")
@click.argument("name", metavar="RUN")
@click.option(
    "--wait/--detach",
    default=True,
    show_default=True,
    help="Follow the run until it completes, or return at once.",
)
@cluster_options
def command(name: str, wait: bool, context: str | None, namespace: str | None) -> int:
    """Retry the jobs of RUN that did not succeed, as the same run.

    The other jobs keep their results.
    """
    from argo.cli.show_run import show_cluster_run
    from argo.cluster.stop_and_retry import retry_run

    location = find_run(name, context, namespace)
    if isinstance(location, Path):
        raise InputError(f"{name} is a run of this machine: run its file again with textgen run")
    jobs = retry_run(location, name)
    click.echo(f"retrying {', '.join(jobs)} of {name} on {location}")
    return show_cluster_run(location, name) if wait else 0
