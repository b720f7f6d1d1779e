"""`textgen dataset get`."""

from pathlib import Path

import click

from argo.cli.dataset.options import ref_argument, store_option
from argo.cli.dataset.progress import transfer
from argo.cli.tables import byte_size
from job.datasets import DatasetRef, Datasets


@click.command("get")
@ref_argument
@click.argument("target", type=click.Path(path_type=Path), required=False)
@store_option
def get(ref: DatasetRef, target: Path | None, datasets: Datasets) -> None:
    """Write the files of the version REF to the new folder TARGET (default: named like the dataset).

    Every byte is verified; the folder appears when all are there. Call it again after an
    interruption, and it goes on where it stopped.
    """
    version = datasets.resolve(ref)
    folder = target or Path(ref.name)
    with transfer(str(version), version.size) as progress:
        datasets.fetch(version, folder, progress=progress)
    click.echo(f"{version}: {version.files} files, {byte_size(version.size)}, in {folder}")
