"""`textgen report`."""

from pathlib import Path

import click

from argo.cli.dataset.options import Reference, store_option
from argo.units import format_bytes
from job.command import FilePath
from job.datasets import DatasetRef, Datasets
from job.files import write_atomically


@click.command("report")
@click.argument("ref", metavar="VERSION", type=Reference())
@click.option("--compare", "other", metavar="VERSION", type=Reference(), help="Version to compare it with.")
@click.option("--output", type=FilePath(), help="File to write (default: NAME-VERSION.html).")
@store_option
def command(ref: DatasetRef, other: DatasetRef | None, output: Path | None, datasets: Datasets) -> None:
    """Write the texts, settings and figures of VERSION as one HTML file.

    It needs no server and asks for nothing else. Of more than 2,000 texts it has 2,000, evenly taken, and it
    is smaller than 5 MB.
    """
    from argo.view.report import build_report

    version = datasets.resolve(ref)
    body = build_report(datasets, version, datasets.resolve(other) if other else None)
    encoded = body.encode("utf-8", "replace")
    path = output or Path(f"{version.ref.name}-{version.id}.html")
    write_atomically(path, [encoded])
    click.echo(f"{path} ({format_bytes(len(encoded))})")
