"""`textgen get`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argo.cli.cluster import cluster_options, find_run
from argo.cli.run_argument import run_argument
from argo.cli.tables import align_columns, output_option, print_value
from argo.cli.timeline import format_timeline
from argo.local import run_folder
from argo.runs import JobRecord, RunRecord
from argo.units import format_duration, format_progress

if TYPE_CHECKING:
    from argo.cluster.api import Api

_NamedJob = tuple[str, JobRecord]
_Column = tuple[str, Callable[[_NamedJob], str]]
_PROGRESS: _Column = ("PROGRESS", lambda job: format_progress(job[1].progress) or "<none>")
_COLUMNS: tuple[_Column, ...] = (
    ("JOB", lambda job: job[0]),
    ("STATUS", lambda job: job[1].phase),
    ("DURATION", lambda job: format_duration(job[1]) or "<none>"),
    _PROGRESS,
    (
        "OUTPUTS",
        lambda job: ",".join(f"{name}={value}" for name, value in job[1].outputs.items()) or "<none>",
    ),
    ("MESSAGE", lambda job: job[1].message),
)


@click.command("get")
@run_argument
@output_option
@cluster_options
def command(name: str, output: str | None, context: str | None, namespace: str | None) -> None:
    """Show RUN, its jobs, and when each of them waited and worked."""
    location = find_run(name, context, namespace)
    run = run_folder.read(location) if isinstance(location, Path) else _get_cluster_run(location, name)
    if output in {"json", "yaml"}:
        print_value(run.to_json(), output)
        return
    fields = [
        ("Name:", run.name),
        ("Status:", run.phase),
        ("Message:", run.message),
        ("Workflow:", run.file),
        ("Source:", run.source),
        ("Runtime:", run.runtime),
        ("Parameters:", ", ".join(f"{name}={value!r}" for name, value in run.parameters.items())),
        ("Started:", f"{run.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("Duration:", format_duration(run)),
    ]
    click.echo(align_columns([field for field in fields if field[1]]))
    click.echo()
    has_progress = any(job.progress for job in run.jobs.values())
    columns = [column for column in _COLUMNS if has_progress or column is not _PROGRESS]
    titles = [title for title, _ in columns]
    rows = [[value(job) for _, value in columns] for job in run.jobs.items()]
    click.echo(align_columns([titles, *rows]))
    if timeline := format_timeline(run):
        click.echo(f"\n{timeline}")


def _get_cluster_run(api: "Api", name: str) -> RunRecord:
    from argo.cluster.follow_run import get_snapshot

    return get_snapshot(api, name).record
