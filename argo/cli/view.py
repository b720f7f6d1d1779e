"""`textgen view`."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from argo.cli.cluster import cluster_options
from argo.cli.dataset.options import Reference, store_option
from argo.cli.run_argument import complete_runs
from argo.cluster.connection import connect, is_configured
from argo.local.run_folder import Project
from job.datasets import DatasetRef, Datasets
from job.errors import TextgenError, UnknownReferenceError

if TYPE_CHECKING:
    from argo.view.sources import Sources


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Runs, datasets and versions; what is away is left out."""
    items: list[CompletionItem[str]] = []
    with suppress(TextgenError):
        items += map(CompletionItem, complete_runs(ctx, param, incomplete))
    with suppress(TextgenError):
        items += Reference().shell_complete(ctx, param, incomplete)
    return items


@click.command("view")
@click.argument("what", metavar="[RUN|DATASET[:VERSION]]", required=False, shell_complete=_complete)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port of 127.0.0.1 (default: a free one)."
)
@click.option("--no-open", is_flag=True, help="Print the URL, and open no browser.")
@store_option
@cluster_options
def command(
    what: str | None, port: int, no_open: bool, datasets: Datasets, context: str | None, namespace: str | None
) -> None:
    """Show runs, datasets and texts in a browser, until Ctrl-C.

    The runs are those of this repository and of the cluster's namespace. With --context or --namespace, only
    those of the cluster. Only a browser of this machine that has the printed URL gets an answer, and nothing
    is changed but a cache.
    """
    from argo.view.runs import Runs
    from argo.view.server import serve
    from argo.view.sources import Sources

    is_cluster = bool(context or namespace)
    folder = None if is_cluster else Project.find(Path.cwd()).runs
    runs = Runs(folder, (lambda: connect(context, namespace)) if is_cluster or is_configured() else None)
    sources = Sources(datasets, runs)

    def announce(url: str, single_use_url: str) -> None:
        click.echo(url)
        if not no_open and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            click.launch(single_use_url)

    serve(sources, port, _find_page(what, sources), announce)


def _find_page(what: str | None, sources: "Sources") -> str:
    """The path of the page about a run, a dataset or a version. Raises InputError if there is none."""
    from argo.view.rendering import build_url

    if not what:
        return "/"
    problems = []
    if ":" not in what and "/" not in what:
        try:
            return build_url("runs", sources.runs.read(what).record.name)
        except UnknownReferenceError as error:
            problems.append(str(error))
    ref = DatasetRef.parse(what)
    try:
        if ":" in what:
            sources.datasets.resolve(ref)
        else:
            sources.datasets.versions(ref)
    except UnknownReferenceError as error:
        raise UnknownReferenceError("; ".join([*problems, str(error)])) from error
    return build_url("datasets", what)
