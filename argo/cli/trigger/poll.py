"""`textgen trigger poll`."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argo.cli.cluster import cluster_options, open_cluster
from job.errors import InputError, TextgenError

if TYPE_CHECKING:
    from argo.cluster.api import Api
    from argo.trigger import Poller

_TOGETHER = 8  # repositories


@click.command("poll")
@click.argument(
    "repositories", nargs=-1, required=True, metavar="REPOSITORY...", envvar="TEXTGEN_REPOSITORIES"
)
@click.option(
    "--every-commit",
    is_flag=True,
    envvar="TEXTGEN_EVERY_COMMIT",
    help="Run each new commit of a branch, not the newest only.",
)
@click.option("--timeout", type=click.FloatRange(1), default=60, show_default=True, help="Seconds for git.")
@click.option("--cluster", type=click.Path(path_type=Path), help="Cluster configuration file.")
@click.option("--store", metavar="URL", help="Where pushes are noted (default: the namespace's store).")
@cluster_options
def command(
    repositories: tuple[str, ...],
    every_commit: bool,
    timeout: float,
    cluster: Path | None,
    store: str | None,
    context: str | None,
    namespace: str | None,
) -> int:
    """Look at each REPOSITORY (a URL, or a path) and run the workflow files of what was pushed.

    Each commit runs once, whoever polls and however often. TEXTGEN_GIT_USERNAME and TEXTGEN_GIT_PASSWORD are
    for private repositories of one host, TEXTGEN_STATUS_TOKEN is for commit statuses there. Exits with 1
    where a repository could not be read; the others are polled all the same.
    """
    from argo.cluster.preflight.checks import raise_certain
    from argo.cluster.preflight.permissions import check_argo_installed
    from argo.compile.cluster_config import load_cluster_config
    from argo.trigger import Poller
    from argo.trigger.commit_status import open_status_client
    from argo.trigger.git_hosts import check_single_host
    from job.storage.open import open_store

    check_single_host(repositories, os.environ)
    api = open_cluster(context, namespace)
    raise_certain(api, check_argo_installed(api))
    poller = Poller(
        api,
        open_store(store or _store(api)),
        load_cluster_config(cluster),
        open_status_client(os.environ, _warn),
        os.environ,
        every_commit,
        timeout,
    )
    resumed = 0 if poller.resume(repositories, click.echo) else 1
    with ThreadPoolExecutor(_TOGETHER) as pool:
        return max(resumed, *pool.map(lambda url: _polled(poller, url), repositories))


def _polled(poller: "Poller", url: str) -> int:
    from job.checkout.git import redact_url

    try:
        return 0 if poller.poll(url, click.echo) else 1
    except TextgenError as error:
        _warn(f"{redact_url(url)}: {error}")
        return error.exit_status


def _store(api: "Api") -> str:
    from argo.object_names import STORE

    found = api.find(api.core_path("configmaps", STORE)) or {}
    if url := (found.get("data") or {}).get("url"):
        return str(url)
    raise InputError(
        f"no ConfigMap {STORE!r} with a url in {api}: "
        "apply an overlay of k8s/ (docs/kubernetes.md), or give --store"
    )


def _warn(line: str) -> None:
    click.echo(f"textgen: {line}", err=True)
