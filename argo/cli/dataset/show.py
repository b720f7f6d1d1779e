"""`textgen dataset list`, `versions`, `files` and `show`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

import click

from argo.cli.dataset.options import ref_argument, store_option
from argo.cli.dataset.texts import write_rows
from argo.cli.pager import open_pager
from argo.cli.tables import Column, align_columns, output_option, print_rows, print_value, print_with_items
from argo.texts.files import stream_texts
from argo.texts.rows import BrokenRow, Row
from argo.units import format_age, format_bytes
from job.command import print_notice
from job.datasets import Dataset, DatasetRef, Datasets, File, Manifest, Version
from job.datasets.diff import flatten

_DATASETS = (
    Column[Dataset]("NAME", str),
    Column[Dataset]("LATEST", lambda dataset: dataset.latest or ""),
    Column[Dataset]("VERSIONS", lambda dataset: str(dataset.versions)),
    Column[Dataset]("AGE", lambda dataset: format_age(dataset.changed)),
    Column[Dataset]("TAGS", lambda dataset: ",".join(f"{tag}={v}" for tag, v in dataset.tags), wide=True),
)


@click.command("list")
@store_option
@output_option
def list_datasets(datasets: Datasets, output: str | None) -> None:
    """List the datasets of the store."""

    def encode(dataset: Dataset) -> Mapping[str, object]:
        return {
            "name": str(dataset),
            "latest": dataset.latest,
            "versions": dataset.versions,
            "tags": dict(dataset.tags),
            "changed": dataset.changed.isoformat(),
        }

    print_rows(datasets.datasets(), _DATASETS, output, encode, f"no datasets in {datasets.url}")


@click.command("versions")
@ref_argument
@store_option
@output_option
def versions(ref: DatasetRef, datasets: Datasets, output: str | None) -> None:
    """List the versions of the dataset REF, newest first."""
    listed = datasets.versions(ref)
    latest = listed[0] if listed else None
    columns = (
        Column[Version]("VERSION", str),
        Column[Version]("TAGS", lambda v: ",".join([*(["latest"] if v == latest else []), *v.tags])),
        Column[Version]("FILES", lambda v: str(v.files)),
        Column[Version]("SIZE", lambda v: format_bytes(v.size)),
        Column[Version]("AGE", lambda v: format_age(v.created)),
        Column[Version]("RUN", lambda v: v.producer.run if v.producer else "", wide=True),
        Column[Version]("JOB", lambda v: v.producer.job if v.producer else "", wide=True),
        Column[Version]("CREATED", lambda v: v.created.isoformat(timespec="seconds"), wide=True),
        Column[Version]("MESSAGE", lambda v: v.message),
    )
    print_rows(listed, columns, output, _version_json, f"{ref.name} has no version yet")


_FILES = (
    Column[File]("NAME", lambda file: file.path),
    Column[File]("SIZE", lambda file: format_bytes(file.size)),
    Column[File]("MODE", lambda file: f"{file.mode:04o}", wide=True),
    Column[File]("SHA256", lambda file: file.sha256, wide=True),
)


@click.command("files")
@ref_argument
@store_option
@output_option
def files(ref: DatasetRef, datasets: Datasets, output: str | None) -> None:
    """List the files of the version REF."""
    print_rows(datasets.files(datasets.resolve(ref)), _FILES, output, _file_json, "")


@click.command("show")
@ref_argument
@store_option
@output_option
@click.option("--texts", "with_texts", is_flag=True, help="Show its texts, in your pager (PAGER).")
def show(ref: DatasetRef, datasets: Datasets, output: str | None, with_texts: bool) -> None:
    """Show the version REF: when it was made, by which run, and from which commit, settings and inputs."""
    version = datasets.resolve(ref)
    manifest = datasets.manifest(version)
    rows = stream_texts(datasets, version, manifest) if with_texts else iter(())
    if with_texts and output not in {"json", "yaml"}:
        with open_pager() as page:
            write_rows(rows, page)
        return
    described = {**_version_json(version), "parent": manifest.parent, "message": manifest.message}
    if output in {"json", "yaml"}:
        contents = [_file_json(file) for file in manifest.files]
        described |= {"lineage": dict(manifest.lineage), "contents": contents}
        if with_texts:
            print_with_items(described, "texts", _texts_json(rows), output)
        else:
            print_value(described, output)
        return
    described |= {"size": format_bytes(version.size), "tags": ", ".join(version.tags)}
    fields = [*flatten({**described, **_count_links(manifest)}), *flatten(dict(manifest.lineage), "lineage")]
    click.echo(align_columns([[f"{key}:", text] for key, text in fields]))


def _texts_json(rows: Iterable[Row | BrokenRow]) -> Iterator[Mapping[str, object]]:
    for row in rows:
        if isinstance(row, Row):
            yield row.to_json()
        else:
            print_notice(f"textgen: {row}")


def _version_json(version: Version) -> dict[str, object]:
    return {
        "version": str(version),
        "created": version.created.isoformat(timespec="seconds"),
        "tags": list(version.tags),
        "message": version.message,
        "origin": asdict(version.producer) if version.producer else None,
        "files": version.files,
        "size": version.size,
        "manifest": version.manifest,
    }


def _file_json(file: File) -> dict[str, object]:
    return {"path": file.path, "size": file.size, "mode": f"{file.mode:04o}", "sha256": file.sha256}


def _count_links(manifest: Manifest) -> dict[str, object]:
    counts = {"links": len(manifest.links), "empty folders": len(manifest.folders)}
    return {name: count for name, count in counts.items() if count}
