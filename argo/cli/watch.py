"""`textgen watch`."""

import click

from argo.cli.cluster import cluster_options, connected


@click.command("watch")
@click.argument("name", metavar="RUN")
@cluster_options
def command(name: str, context: str | None, namespace: str | None) -> int:
    """Follow RUN on the cluster to its end.

    The exit status is the run's: 0 where it succeeded, 1 where it failed. Ctrl-C leaves it going.
    """
    from argo.cli.show import shown

    return shown(connected(context, namespace), name)
