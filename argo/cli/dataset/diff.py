"""`textgen dataset diff`."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from argo.cli.dataset.options import Reference, store_option
from argo.cli.tables import align_columns, print_value
from argo.units import format_bytes
from job.datasets import DatasetRef, Datasets, Manifest, Version
from job.datasets.diff import LARGEST_TEXTS, TEXTS, Change, diff_files, diff_lineage, diff_texts
from job.text import shortened

_WIDTH = 60


@click.command("diff")
@click.argument("before", type=Reference())
@click.argument("after", type=Reference())
@store_option
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), help="All differences as JSON or YAML.")
def diff(before: DatasetRef, after: DatasetRef, datasets: Datasets, output: str | None) -> None:
    """Show what differs from the version BEFORE to AFTER: what made it, its files, and its texts."""
    versions = [datasets.resolve(ref) for ref in (before, after)]
    manifests = [datasets.manifest(version) for version in versions]
    sections = {
        "made by": diff_lineage(*manifests),
        "files": diff_files(*manifests),
        "texts": diff_texts(*map(_read_texts, [datasets] * 2, versions, manifests)),
    }
    if output:
        named = {name.replace(" ", "_"): changes for name, changes in sections.items()}
        print_value({name: [asdict(change) for change in changes] for name, changes in named.items()}, output)
        return
    click.echo(f"{versions[0]} -> {versions[1]}")
    for name, changes in sections.items():
        if changes:
            click.echo(f"\n{name}\n{_table(changes)}")
    if not any(sections.values()):
        click.echo("no difference")


def _read_texts(datasets: Datasets, version: Version, manifest: Manifest) -> bytes:
    size = next((file.size for file in manifest.files if file.path == TEXTS), 0)
    if size > LARGEST_TEXTS:
        click.echo(
            f"{version}: {TEXTS} has {format_bytes(size)}, over {format_bytes(LARGEST_TEXTS)}; "
            "its texts are not compared",
            err=True,
        )
    return datasets.read_file(version, TEXTS) if 0 < size <= LARGEST_TEXTS else b""


def _table(changes: Sequence[Change]) -> str:
    return align_columns([[f"  {c.name}", _short(c.before), "->", _short(c.after)] for c in changes])


def _short(text: str | None) -> str:
    if text is None:
        return "<none>"
    return shortened(" ".join(text.split()), _WIDTH)
