"""`textgen watch`."""

from pathlib import Path

import click

from argo.cli.cluster import cluster_options, find_run


@click.command("watch")
@click.argument("name", metavar="RUN")
@cluster_options
def command(name: str, context: str | None, namespace: str | None) -> int:
    """Follow RUN to its end.

    The exit status is the run's: 0 where it succeeded, 1 where it failed. Ctrl-C leaves it going.
    """
    from argo.cli.show_run import show_cluster_run, show_local_run

    place = find_run(name, context, namespace)
    return show_local_run(place) if isinstance(place, Path) else show_cluster_run(place, name)
