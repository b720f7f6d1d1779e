"""`textgen dataset create`, `tag`, `untag` and `delete`."""

import click

from argo.cli.dataset.options import message_option, ref_argument, store_option
from job.datasets import DatasetRef, Datasets, changes


@click.command("create")
@ref_argument
@message_option
@store_option
def create(ref: DatasetRef, message: str, datasets: Datasets) -> None:
    """Make the empty dataset REF. A commit makes its dataset by itself; this reserves a name."""
    changes.create(datasets.store, ref, message)
    click.echo(f"Created dataset: {_name(ref)}")


@click.command("tag")
@ref_argument
@click.argument("tag")
@store_option
def tag(ref: DatasetRef, tag: str, datasets: Datasets) -> None:
    """Give the version REF the tag TAG, which it is then found by; a tag in use moves."""
    version = datasets.resolve(ref)
    changes.tag(datasets.store, ref, version.id, tag)
    click.echo(f"Set dataset tag: {_name(ref)}:{tag} is {version}")


@click.command("untag")
@ref_argument
@store_option
def untag(ref: DatasetRef, datasets: Datasets) -> None:
    """Take the tag REF (NAME:TAG) away; its version stays."""
    changes.untag(datasets.store, ref)
    click.echo(f"Deleted dataset tag: {ref}")


@click.command("delete")
@click.argument("name", metavar="REF")
@click.option("--all", "versions", is_flag=True, help="Delete the dataset's versions, too.")
@store_option
def delete(name: str, versions: bool, datasets: Datasets) -> None:
    """Delete the version REF (NAME:VERSION), or the dataset REF (NAME).

    It is gone for everybody at once; textgen dataset gc frees its space later.
    """
    ref = DatasetRef.parse(name)
    if ":" in name:
        version = datasets.resolve(ref)
        changes.delete(datasets.store, ref, version.id)
        click.echo(f"Deleted dataset version: {version}")
    else:
        changes.drop(datasets.store, ref, versions=versions)
        click.echo(f"Deleted dataset: {name}")


def _name(ref: DatasetRef) -> str:
    return str(ref).rpartition(":")[0]
