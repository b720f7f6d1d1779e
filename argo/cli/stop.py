"""`textgen stop`."""

from pathlib import Path

import click

from argo.cli.cluster import cluster_options, find_run
from job.errors import InputError


@click.command("stop")
@click.argument("name", metavar="RUN")
@cluster_options
def command(name: str, context: str | None, namespace: str | None) -> None:
    """Stop RUN on the cluster: terminate its pods, and start no other job."""
    from argo.cluster.stop_and_retry import stop_run

    location = find_run(name, context, namespace)
    if isinstance(location, Path):
        raise InputError(f"{name} is a run of this machine: press Ctrl-C in its terminal")
    stop_run(location, name)
    click.echo(f"stopping {name} on {location}")
