"""`textgen watch`."""

from pathlib import Path

import click

from argo.cli.cluster import cluster_options, located


@click.command("watch")
@click.argument("name", metavar="RUN")
@cluster_options
def command(name: str, context: str | None, namespace: str | None) -> int:
    """Follow RUN to its end.

    The exit status is the run's: 0 where it succeeded, 1 where it failed. Ctrl-C leaves it going.
    """
    from argo.cli.show import shown, shown_here

    place = located(name, context, namespace)
    return shown_here(place) if isinstance(place, Path) else shown(place, name)
