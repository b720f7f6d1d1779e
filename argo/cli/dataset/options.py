"""Arguments and options of several dataset commands."""

import os
from pathlib import Path
from typing import Any

import click

from argo.local.run_folder import Project
from job.datasets import DatasetRef, Datasets
from job.project import STORE_VARIABLE


class Reference(click.ParamType[DatasetRef]):
    """`[namespace/]name[:version]`."""

    name = "reference"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DatasetRef:
        return value if isinstance(value, DatasetRef) else DatasetRef.parse(value)


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
