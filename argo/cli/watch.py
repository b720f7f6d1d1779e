"""`textgen watch`."""

from pathlib import Path

import click

from argo.cli.cluster import cluster_options, find_run
from argo.cli.run_argument import run_argument


@click.command("watch")
@run_argument
@cluster_options
def command(name: str, context: str | None, namespace: str | None) -> int:
    """Follow RUN until it completes.

    The exit status is 0 if the run succeeded, and 1 if it failed. Ctrl-C does not stop the run.
    """
    from argo.cli.show_run import show_cluster_run, show_local_run

    location = find_run(name, context, namespace)
    return show_local_run(location) if isinstance(location, Path) else show_cluster_run(location, name)
