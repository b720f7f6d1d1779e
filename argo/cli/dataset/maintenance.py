"""`textgen dataset gc` and `verify`."""

import re
from datetime import timedelta

import click

from argo.cli.dataset.options import Reference, store_option
from argo.cli.dataset.transfer import progress_bar
from argo.units import format_bytes
from job.datasets import DatasetRef, Datasets, Version
from job.errors import InputError, StoreError
from job.text import counted, visible

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@click.command("gc")
@click.option("--older-than", "age", default="1d", show_default=True, help="An age such as 30m, 12h or 7d.")
@store_option
def gc(age: str, datasets: Datasets) -> None:
    """Remove what belongs to no version: interrupted uploads, deleted versions, old runs' files.

    Nothing is removed that is younger than --older-than, or that a recent run reads. What was uploaded but
    never committed is tombstoned first, so that it can't be committed any more, and removed by a later call.
    """
    freed = list(datasets.collect_garbage(_parse_duration(age)))
    for item in freed:
        click.echo(f"removed {item.name}" + (f" ({format_bytes(item.size)})" if item.size else ""))
    click.echo(f"freed {format_bytes(sum(item.size for item in freed))}")


@click.command("verify")
@click.argument("refs", metavar="[REF...]", nargs=-1, shell_complete=Reference().shell_complete)
@store_option
def verify(refs: tuple[str, ...], datasets: Datasets) -> None:
    """Read every byte of each version REF (default: all versions) and compare it with the manifest."""
    if refs:
        versions = [datasets.resolve(DatasetRef.parse(ref)) for ref in refs]
    else:
        versions = [version for dataset in datasets.datasets() for version in datasets.versions(dataset.ref)]
    problems = 0
    for version in versions:
        lines = _verify(datasets, version)
        for line in lines:
            click.echo(visible(line))
        problems += len(lines)
    if problems:
        raise StoreError(f"{counted(problems, 'problem')} in {counted(len(versions), 'version')}")
    click.echo(f"{counted(len(versions), 'version')} verified")


def _parse_duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([smh])|(\d{1,4})(d)", text)
    if not match:
        raise InputError(f"--older-than {text!r}: not a duration; write one such as 30m, 12h or 7d")
    number, unit = filter(None, match.groups())
    return timedelta(**{_UNITS[unit]: int(number)})


def _verify(datasets: Datasets, version: Version) -> list[str]:
    with progress_bar(str(version), lambda: version.size) as progress:
        return list(datasets.verify(version, progress))
