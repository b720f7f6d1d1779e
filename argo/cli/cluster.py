"""What the commands that talk to a cluster share: which one, and whether a run is there or here."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from argo.cluster.connection import connect, is_configured
from argo.local import run_folder
from argo.local.run_folder import Project
from job.errors import UnknownReferenceError

if TYPE_CHECKING:
    from argo.cluster.api import Api

__all__ = ["cluster_options", "find_run", "is_configured", "open_cluster"]

F = TypeVar("F", bound=Callable[..., Any])


def cluster_options(command: F) -> F:
    """`--context` and `--namespace`, as kubectl has them."""
    command = click.option("--context", help="A context of the kubeconfig in place of its current one.")(
        command
    )
    return click.option("-n", "--namespace", help="A namespace of the cluster in place of the context's.")(
        command
    )


def open_cluster(context: str | None, namespace: str | None) -> "Api":
    """The cluster, as kubectl would find it."""
    return connect(context, namespace)


def find_run(name: str, context: str | None, namespace: str | None) -> "Path | Api":
    """The folder of a run of this machine, or the cluster that a run of that name must be on.

    A run that `.textgen` knows is here unless a cluster is named. Raises UnknownReferenceError where it
    is neither here nor there.
    """
    if context or namespace:
        return open_cluster(context, namespace)
    folder = Project.find(Path.cwd()).runs
    try:
        return run_folder.find(folder, name)
    except UnknownReferenceError as here:
        if not is_configured():
            raise
        from argo.cluster.follow import get_workflow

        api = open_cluster(None, None)
        try:
            get_workflow(api, name)
        except UnknownReferenceError as there:
            raise UnknownReferenceError(f"{here}; {there}") from None
        return api
