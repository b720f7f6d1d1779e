"""`textgen dataset create`, `tag`, `untag` and `delete`."""

import click

from argo.cli.dataset.options import Reference, message_option, ref_argument, store_option
from job.datasets import DatasetRef, Datasets


@click.command("create")
@ref_argument
@message_option
@store_option
def create(ref: DatasetRef, message: str, datasets: Datasets) -> None:
    """Create the empty dataset REF, to reserve its name. A commit creates its dataset by itself."""
    datasets.create(ref, message)
    click.echo(f"Created dataset: {ref.dataset}")


@click.command("tag")
@ref_argument
@click.argument("tag")
@store_option
def tag(ref: DatasetRef, tag: str, datasets: Datasets) -> None:
    """Give the version REF the tag TAG. If another version has that tag, the tag moves."""
    version = datasets.resolve(ref)
    datasets.tag(version, tag)
    click.echo(f"Set dataset tag: {ref.dataset}:{tag} is {version}")


@click.command("untag")
@ref_argument
@store_option
def untag(ref: DatasetRef, datasets: Datasets) -> None:
    """Remove the tag REF (NAME:TAG); its version stays."""
    datasets.untag(ref)
    click.echo(f"Deleted dataset tag: {ref}")


@click.command("delete")
@click.argument("name", metavar="REF", shell_complete=Reference().shell_complete)
@click.option("--all", "with_versions", is_flag=True, help="Delete all versions of the dataset, too.")
@store_option
def delete(name: str, with_versions: bool, datasets: Datasets) -> None:
    """Delete the version REF (NAME:VERSION), or the dataset REF (NAME).

    It can't be read any more; textgen dataset gc frees its space later.
    """
    ref = DatasetRef.parse(name)
    if ":" in name:
        version = datasets.resolve(ref)
        datasets.delete(version)
        click.echo(f"Deleted dataset version: {version}")
    else:
        datasets.drop(ref, with_versions=with_versions)
        click.echo(f"Deleted dataset: {name}")
