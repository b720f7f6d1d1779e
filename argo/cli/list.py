"""`textgen list`."""

from dataclasses import replace
from pathlib import Path

import click

from argo.cli.cluster import cluster_options
from argo.cli.tables import Column, output_option, print_rows
from argo.cluster.connection import connect, is_configured
from argo.local import run_folder
from argo.local.run_folder import Project
from argo.runs import RunRecord
from argo.units import format_age, format_duration, format_progress
from job.command import print_notice
from job.errors import TextgenError


def _ended_jobs(run: RunRecord) -> str:
    return f"{sum(job.phase.ended for job in run.jobs.values())}/{len(run.jobs)}"


def _progress(run: RunRecord) -> str:
    return "; ".join(format_progress(job.progress) for job in run.jobs.values() if job.progress)


_PROGRESS = Column[RunRecord]("PROGRESS", _progress)
_RUNTIME = Column[RunRecord]("RUNTIME", lambda run: run.runtime, wide=True)
_COLUMNS = (
    Column[RunRecord]("NAME", lambda run: run.name),
    Column[RunRecord]("STATUS", lambda run: run.phase),
    Column[RunRecord]("AGE", lambda run: format_age(run.started)),
    Column[RunRecord]("DURATION", format_duration),
    Column[RunRecord]("JOBS", _ended_jobs),
    _PROGRESS,
    _RUNTIME,
    Column[RunRecord]("FILE", lambda run: run.file, wide=True),
    Column[RunRecord]("SOURCE", lambda run: run.source, wide=True),
    Column[RunRecord]("MESSAGE", lambda run: run.message, wide=True),
)


@click.command("list")
@output_option
@cluster_options
def command(output: str | None, context: str | None, namespace: str | None) -> None:
    """List runs, newest first: those of this repository and those of the cluster's namespace.

    With --context or --namespace, only those of the cluster.
    """
    local_runs, cluster_runs, locations = [], [], []
    if not (context or namespace):
        folder = Project.find(Path.cwd()).runs
        local_runs = run_folder.read_all(folder, lambda error: print_notice(f"textgen: {error}"))
        locations.append(str(folder))
    if context or namespace or is_configured():
        from argo.cluster.workflow_status import list_runs

        try:
            api = connect(context, namespace)
            cluster_runs = list_runs(api)
            locations.append(str(api))
        except TextgenError as error:
            if context or namespace:
                raise
            print_notice(f"textgen: showing only the runs of this machine: {error}")
    runs = sorted([*local_runs, *cluster_runs], key=lambda run: run.started, reverse=True)
    shown = [column for column in _COLUMNS if column is not _PROGRESS or any(map(_progress, runs))]
    columns = [
        replace(column, wide=column.wide and not (cluster_runs and column is _RUNTIME)) for column in shown
    ]
    print_rows(runs, columns, output, RunRecord.to_json, f"no runs in {' or '.join(locations)}")
