"""`textgen dataset get`, `commit` and `put`: files to and from this machine."""

from pathlib import Path

import click

from argo.cli.dataset.options import message_option, ref_argument, store_option
from argo.cli.dataset.progress import transfer
from argo.cli.tables import format_bytes
from job.datasets import DatasetRef, Datasets, Version
from job.errors import InputError


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
    with transfer(str(version), lambda: version.size) as progress:
        datasets.fetch(version, folder, progress=progress)
    click.echo(f"{_told(version)}, in {folder}")


@click.command("commit")
@ref_argument
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@message_option
@store_option
def commit(ref: DatasetRef, source: Path, message: str, datasets: Datasets) -> None:
    """Make a version of the dataset REF that holds what is in the folder SOURCE, and nothing else."""
    with transfer(str(source), lambda: _size([source])) as progress:
        version = datasets.commit_version(
            ref, source, lineage=_lineage(source), message=message, progress=progress
        )
    click.echo(f"Committed dataset version: {_told(version)}")


@click.command("put")
@ref_argument
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--path", default="", help="The folder in the version where they go (default: its top).")
@message_option
@store_option
def put(ref: DatasetRef, sources: tuple[str, ...], path: str, message: str, datasets: Datasets) -> None:
    """Make a version of the dataset REF that holds what its latest one does, and each SOURCE.

    A SOURCE is a file or a folder; with a trailing / a folder's contents. What has the same path is
    replaced. Files of the latest version are copied in the store, not sent again.
    """
    placed = [(Path(source), _place(source, path.strip("/"))) for source in sources]
    with transfer(ref.name, lambda: _size([source for source, _ in placed])) as progress:
        lineage = {"sources": list(sources)}
        version = datasets.put(ref, placed, lineage=lineage, message=message, progress=progress)
    click.echo(f"Committed dataset version: {_told(version)}")


def _place(source: str, folder: str) -> str:
    name = Path(source).resolve().name
    if source.endswith("/") or not name:
        if not Path(source).is_dir():
            raise InputError(f"{source}: not a folder; leave the / out")
        return folder
    return f"{folder}/{name}" if folder else name


def _lineage(source: Path) -> dict[str, object]:
    return {"sources": [str(source)]}


def _told(version: Version) -> str:
    return f"{version} ({version.files} file{'s' * (version.files != 1)}, {format_bytes(version.size)})"


def _size(sources: list[Path]) -> int:
    files = (file for source in sources for file in ([source] if source.is_file() else source.rglob("*")))
    return sum(file.lstat().st_size for file in files if file.is_file())
