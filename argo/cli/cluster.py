"""What the commands on a cluster share: which cluster, and whether a run is there or on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from argo.cluster.connection import connect, is_configured
from argo.local import run_folder
from argo.local.run_folder import Project
from job.command import FilePath
from job.errors import ClusterError, InputError, UnknownReferenceError

if TYPE_CHECKING:
    from argo.cluster.api import Api

F = TypeVar("F", bound=Callable[..., Any])


def cluster_options(command: F) -> F:
    """`--context` and `--namespace`, as kubectl has them."""
    context = click.option("--context", help="Kubeconfig context (default: the current context).")
    namespace = click.option("-n", "--namespace", help="Namespace (default: the context's namespace).")
    return namespace(context(command))


cluster_file_option = click.option("--cluster", type=FilePath(), help="Cluster configuration file.")


def find_run(name: str, context: str | None, namespace: str | None) -> "Path | Api":
    """The folder of a run of this machine, or the cluster that has the run.

    A run in `.textgen` is one of this machine, unless a cluster is named. Raises UnknownReferenceError if
    neither has the run, ClusterError if the cluster does not say.
    """
    if context or namespace:
        return connect(context, namespace)
    folder = Project.find(Path.cwd()).runs
    try:
        return run_folder.find(folder, name)
    except UnknownReferenceError as local_error:
        if not is_configured():
            raise
        from argo.cluster.follow_run import get_workflow

        try:
            api = connect()
            get_workflow(api, name)
        except InputError as error:
            raise UnknownReferenceError(f"{local_error}; {error}") from error
        except ClusterError as error:
            raise ClusterError(f"{local_error}; {error}") from error
        return api
