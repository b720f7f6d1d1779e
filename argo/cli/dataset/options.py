"""Arguments and options of several dataset commands."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from argo.local.run_folder import Project
from argo.units import format_age
from job.datasets import DatasetRef, Datasets
from job.project import STORE_VARIABLE


class Reference(click.ParamType[DatasetRef]):
    """`[namespace/]name[:version]`."""

    name = "reference"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DatasetRef:
        return value if isinstance(value, DatasetRef) else DatasetRef.parse(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """The datasets; after a colon, or for the only dataset that is meant, its tags and versions."""
        datasets: Datasets = ctx.params["datasets"]
        dataset, colon, _ = incomplete.partition(":")
        names = [dataset] if colon else [str(each) for each in datasets.datasets()]
        names = [name for name in names if name.startswith(dataset)]
        items = [] if colon else [CompletionItem(name) for name in names]
        if len(names) == 1:
            items += _complete_versions(datasets, DatasetRef.parse(names[0]))
        return [item for item in items if item.value.startswith(incomplete)]


def _complete_versions(datasets: Datasets, dataset: DatasetRef) -> Iterator[CompletionItem[str]]:
    for version in datasets.versions(dataset):
        described = f"{format_age(version.created)} ago {version.message}".rstrip()
        for name in (*version.tags, version.id):
            yield CompletionItem(f"{dataset.dataset}:{name}", help=described)


def _open(_ctx: click.Context, _param: click.Parameter, url: str | None) -> Datasets:
    return Datasets.at(url or os.environ.get(STORE_VARIABLE) or Project.find(Path.cwd()).store_url)


ref_argument = click.argument("ref", type=Reference())

message_option = click.option("-m", "--message", default="", help="Description in one line.")

store_option = click.option(
    "--store",
    "datasets",
    metavar="URL",
    callback=_open,
    help="file:///path or s3://bucket/prefix?endpoint=… (default: $TEXTGEN_STORE, else this repository's "
    ".textgen/datasets).",
)
