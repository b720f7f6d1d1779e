"""`textgen stop`."""

import time
from pathlib import Path

import click

from argo.cli.cluster import cluster_options, find_run
from argo.cli.run_argument import run_argument
from argo.local import run_folder
from job.errors import InputError

_READ_SECONDS = 0.1


@click.command("stop")
@run_argument
@cluster_options
def command(name: str, context: str | None, namespace: str | None) -> None:
    """Stop RUN: end its jobs, and start no other job.

    A run of this machine has ended when this returns. On a cluster its pods may take a while to end.
    """
    from argo.cluster.stop_and_retry import stop_run

    location = find_run(name, context, namespace)
    if isinstance(location, Path):
        _stop_local_run(location)
    else:
        stop_run(location, name)
        click.echo(f"stopping {name} on {location}")


def _stop_local_run(folder: Path) -> None:
    run = run_folder.read(folder)
    if run.phase.ended:
        raise InputError(f"{run.name} has ended already: {run.phase}")
    run_folder.ask_to_stop(folder)
    while run_folder.is_alive(folder):
        time.sleep(_READ_SECONDS)
    run = run_folder.read(folder)
    click.echo(f"{run.name}: {run.message or run.phase}")
