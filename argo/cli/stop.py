"""`textgen stop`."""

from pathlib import Path

import click

from argo.cli.cluster import cluster_options, find_run
from job.errors import InputError


@click.command("stop")
@click.argument("name", metavar="RUN")
@cluster_options
def command(name: str, context: str | None, namespace: str | None) -> None:
    """Stop RUN on the cluster: its pods end, and no other job starts."""
    from argo.cluster import stop_and_retry

    place = find_run(name, context, namespace)
    if isinstance(place, Path):
        raise InputError(f"{name} is a run of this machine: press Ctrl-C where it runs")
    stop_and_retry.stop_run(place, name)
    click.echo(f"stopping {name} on {place}")
