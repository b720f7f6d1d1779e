"""Arguments and options of several dataset commands."""

from pathlib import Path
from typing import Any

import click

from job.datasets import DatasetRef, Datasets
from job.project import default_store_url


class Reference(click.ParamType[DatasetRef]):
    """`[namespace/]name[:version]`."""

    name = "reference"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DatasetRef:
        return value if isinstance(value, DatasetRef) else DatasetRef.parse(value)


def _open(_ctx: click.Context, _param: click.Parameter, url: str | None) -> Datasets:
    return Datasets.at(url or default_store_url(Path.cwd()))


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
