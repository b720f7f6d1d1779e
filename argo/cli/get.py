"""`textgen get`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argo.cli.cluster import cluster_options, find_run
from argo.cli.progress import format_duration
from argo.cli.tables import align_columns, output_option, print_value
from argo.local import run_folder
from argo.runs import JobRecord, RunRecord

if TYPE_CHECKING:
    from argo.cluster.api import Api

_Row = tuple[str, JobRecord]
_JOBS: tuple[tuple[str, Callable[[_Row], str]], ...] = (
    ("JOB", lambda row: row[0]),
    ("STATUS", lambda row: row[1].phase),
    ("DURATION", lambda row: format_duration(row[1]) or "<none>"),
    ("OUTPUTS", lambda row: ",".join(f"{k}={v}" for k, v in row[1].outputs.items()) or "<none>"),
    ("MESSAGE", lambda row: row[1].message),
)


@click.command("get")
@click.argument("name", metavar="RUN")
@output_option
@cluster_options
def command(name: str, output: str | None, context: str | None, namespace: str | None) -> None:
    """Show RUN and its jobs."""
    place = find_run(name, context, namespace)
    record = run_folder.read(place) if isinstance(place, Path) else _there(place, name)
    if output in {"json", "yaml"}:
        print_value(record.encoded(), output)
        return
    facts = [
        ("Name:", record.name),
        ("Status:", record.phase),
        ("Message:", record.message),
        ("Workflow:", record.file),
        ("Source:", record.source),
        ("Runtime:", record.runtime),
        ("Parameters:", ", ".join(f"{name}={value!r}" for name, value in record.parameters.items())),
        ("Started:", f"{record.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("Duration:", format_duration(record)),
    ]
    click.echo(align_columns([fact for fact in facts if fact[1]]))
    rows = list(record.jobs.items())
    click.echo()
    click.echo(
        align_columns([[title for title, _ in _JOBS], *([value(row) for _, value in _JOBS] for row in rows)])
    )


def _there(api: "Api", name: str) -> RunRecord:
    from argo.cluster.follow import get_snapshot

    return get_snapshot(api, name).record
