"""`textgen retry`."""

from pathlib import Path

import click

from argo.cli.cluster import cluster_options, find_run
from job.errors import InputError


@click.command("retry")
@click.argument("name", metavar="RUN")
@click.option("--wait/--detach", default=True, show_default=True, help="Follow the run to its end, or not.")
@cluster_options
def command(name: str, wait: bool, context: str | None, namespace: str | None) -> int:
    """Run the jobs of RUN that did not succeed again, as the same run.

    What the other jobs made stays, and is not made again.
    """
    from argo.cli.show_run import show_cluster_run
    from argo.cluster import stop_and_retry

    place = find_run(name, context, namespace)
    if isinstance(place, Path):
        raise InputError(f"{name} is a run of this machine: run its file again with textgen run")
    again = stop_and_retry.retry_run(place, name)
    click.echo(f"retrying {', '.join(again)} of {name} on {place}")
    return show_cluster_run(place, name) if wait else 0
