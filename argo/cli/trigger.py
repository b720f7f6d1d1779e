"""`textgen trigger`: runs that pushes start."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argo.cli.cluster import cluster_file_option, cluster_options
from argo.cluster.connection import connect
from argo.kubernetes_names import STORE
from job.command import print_notice
from job.errors import InputError, TextgenError

if TYPE_CHECKING:
    from argo.cluster.api import Api
    from argo.trigger import Poller

_CONCURRENT_POLLS = 8


@click.group("trigger")
def command() -> None:
    """Run workflow files on pushes to their branches."""


@command.command("poll", short_help="Poll repositories once, and run what was pushed.")
@click.argument(
    "repositories", nargs=-1, required=True, metavar="REPOSITORY...", envvar="TEXTGEN_REPOSITORIES"
)
@click.option(
    "--every-commit",
    is_flag=True,
    envvar="TEXTGEN_EVERY_COMMIT",
    help="Run every new commit of a branch, not only the newest.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1),
    default=60,
    show_default=True,
    help="Timeout of each git command, in seconds.",
)
@cluster_file_option
@click.option("--store", metavar="URL", help="Store that records pushes (default: the namespace's store).")
@cluster_options
def poll(
    repositories: tuple[str, ...],
    every_commit: bool,
    timeout: float,
    cluster: Path | None,
    store: str | None,
    context: str | None,
    namespace: str | None,
) -> int:
    """Poll each REPOSITORY (a URL or a path), and run the workflow files of its new commits.

    Each commit runs once, however many pollers there are. TEXTGEN_GIT_USERNAME and TEXTGEN_GIT_PASSWORD give
    access to private repositories of one host; TEXTGEN_STATUS_TOKEN is for commit statuses there. The exit
    status is 1 if a repository can't be read; the others are still polled.
    """
    from argo.cluster.preflight.checks import raise_certain
    from argo.cluster.preflight.permissions import check_argo_installed
    from argo.compile.cluster_config import load_cluster_config
    from argo.trigger import Poller
    from argo.trigger.commit_status import open_status_client
    from argo.trigger.git_hosts import check_single_host
    from job.storage.open import open_store

    check_single_host(repositories, os.environ)
    api = connect(context, namespace)
    raise_certain(api, check_argo_installed(api))
    poller = Poller(
        api,
        open_store(store or _read_store_url(api)),
        load_cluster_config(cluster),
        open_status_client(os.environ, _print_error),
        os.environ,
        every_commit,
        timeout,
    )
    status = 0 if poller.resume(repositories, click.echo) else 1
    with ThreadPoolExecutor(_CONCURRENT_POLLS) as pool:
        return max(status, *pool.map(lambda url: _poll_repository(poller, url), repositories))


def _poll_repository(poller: "Poller", url: str) -> int:
    from job.checkout.git import redact_url

    try:
        return 0 if poller.poll(url, click.echo) else 1
    except TextgenError as error:
        _print_error(f"{redact_url(url)}: {error}")
        return error.exit_status


def _read_store_url(api: "Api") -> str:
    config_map = api.find(api.core_path("configmaps", STORE)) or {}
    if url := (config_map.get("data") or {}).get("url"):
        return str(url)
    raise InputError(
        f"no ConfigMap {STORE!r} with a url in {api}: "
        "apply an overlay of k8s/ (docs/kubernetes.md), or give --store"
    )


def _print_error(line: str) -> None:
    print_notice(f"textgen: {line}")
