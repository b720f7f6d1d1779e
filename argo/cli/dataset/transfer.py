"""`textgen dataset get`, `commit` and `put`: files to and from this machine."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from argo.cli.dataset.options import message_option, ref_argument, store_option
from argo.units import format_bytes
from job.command import FilePath
from job.datasets import DatasetRef, Datasets, Version
from job.errors import InputError
from job.text import counted


@click.command("get")
@ref_argument
@click.argument("target", type=FilePath(), required=False)
@click.option("--join", is_flag=True, help="Make one file of those of shards: one outputs.jsonl.")
@store_option
def get(ref: DatasetRef, target: Path | None, join: bool, datasets: Datasets) -> None:
    """Write the files of the version REF to the new folder TARGET (default: the dataset's name).

    Every byte is verified; the folder appears when all files are there. After an interruption, the same
    command continues where it stopped.
    """
    version = datasets.resolve(ref)
    folder, finish = target or Path(ref.name), None
    if join:
        from job.generate.shards.join import check_join, join_shard_files

        check_join([file.path for file in datasets.files(version)])
        finish = join_shard_files
    with progress_bar(str(version), lambda: version.size) as progress:
        datasets.fetch(version, folder, progress=progress, finish=finish)
    click.echo(f"{_describe(version)}, in {folder}")


@click.command("commit")
@ref_argument
@click.argument("source", type=FilePath(exists=True, file_okay=False))
@message_option
@store_option
def commit(ref: DatasetRef, source: Path, message: str, datasets: Datasets) -> None:
    """Commit a version of the dataset REF with exactly the files in the folder SOURCE."""
    with progress_bar(str(source), lambda: _total_size([source])) as progress:
        version = datasets.commit_version(
            ref,
            source.resolve(),
            name=str(source),
            lineage=_lineage(source),
            message=message,
            progress=progress,
        )
    click.echo(f"Committed dataset version: {_describe(version)}")


@click.command("put")
@ref_argument
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--path", default="", help="Folder of the version to add them to (default: its top folder).")
@message_option
@store_option
def put(ref: DatasetRef, sources: tuple[str, ...], path: str, message: str, datasets: Datasets) -> None:
    """Commit a version of the dataset REF with the files of its latest version and each SOURCE.

    A SOURCE is a file or a folder; with a trailing / it is a folder's contents. A file with the same path is
    overwritten. The files of the latest version are copied inside the store, not sent again.
    """
    targets = [(Path(source), _target_path(source, path.strip("/"))) for source in sources]
    with progress_bar(ref.name, lambda: _total_size([source for source, _ in targets])) as progress:
        lineage = {"sources": list(sources)}
        version = datasets.put(ref, targets, lineage=lineage, message=message, progress=progress)
    click.echo(f"Committed dataset version: {_describe(version)}")


@contextmanager
def progress_bar(name: str, size: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """Show a progress bar of `size` bytes on a terminal; yields the function that a transfer calls."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=size())
        yield lambda moved: bar.advance(task, moved)


def _target_path(source: str, folder: str) -> str:
    name = Path(source).resolve().name
    if source.endswith("/") or not name:
        if not Path(source).is_dir():
            raise InputError(f"{source}: not a folder; remove the / at its end")
        return folder
    return f"{folder}/{name}" if folder else name


def _lineage(source: Path) -> dict[str, object]:
    return {"sources": [str(source)]}


def _describe(version: Version) -> str:
    return f"{version} ({counted(version.files, 'file')}, {format_bytes(version.size)})"


def _total_size(sources: list[Path]) -> int:
    files = (file for source in sources for file in ([source] if source.is_file() else source.rglob("*")))
    return sum(file.lstat().st_size for file in files if file.is_file())
