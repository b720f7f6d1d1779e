"""`textgen list`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argo.cli.cluster import cluster_options, is_configured, open_cluster
from argo.cli.progress import format_duration
from argo.cli.tables import Column, format_age, output_option, print_rows
from argo.local import run_folder
from argo.local.run_folder import Project
from argo.runs import RunRecord
from job.errors import TextgenError

if TYPE_CHECKING:
    from argo.cluster.api import Api


def _done(run: RunRecord) -> str:
    return f"{sum(job.phase.ended for job in run.jobs.values())}/{len(run.jobs)}"


_RUNTIME = Column[RunRecord]("RUNTIME", lambda run: run.runtime, wide=True)
_RUNS = (
    Column[RunRecord]("NAME", lambda run: run.name),
    Column[RunRecord]("STATUS", lambda run: run.phase),
    Column[RunRecord]("AGE", lambda run: format_age(run.started)),
    Column[RunRecord]("DURATION", format_duration),
    Column[RunRecord]("JOBS", _done),
    _RUNTIME,
    Column[RunRecord]("FILE", lambda run: run.file, wide=True),
    Column[RunRecord]("SOURCE", lambda run: run.source, wide=True),
    Column[RunRecord]("MESSAGE", lambda run: run.message, wide=True),
)


@click.command("list")
@output_option
@cluster_options
def command(output: str | None, context: str | None, namespace: str | None) -> None:
    """List runs, the newest first: this repository's, and those of the namespace on the cluster.

    With --context or --namespace the cluster's only.
    """
    folder = Project.find(Path.cwd()).runs
    found, there, places = [], [], []
    if not (context or namespace):
        found = run_folder.read_all(folder)
        places = [str(folder)]
    if context or namespace or is_configured():
        try:
            api = open_cluster(context, namespace)
            there = _there(api)
            places.append(str(api))
        except TextgenError as error:
            if context or namespace:
                raise
            click.echo(f"textgen: only the runs of this machine: {error}", err=True)
    found = sorted([*found, *there], key=lambda run: run.started, reverse=True)
    columns = [replace(each, wide=each.wide and not (there and each is _RUNTIME)) for each in _RUNS]
    print_rows(found, columns, output, RunRecord.encoded, f"no runs in {' or '.join(places)}")


def _there(api: "Api") -> list[RunRecord]:
    from argo.cluster.workflow_status import list_runs

    return list_runs(api)
