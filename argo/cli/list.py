"""`textgen list`."""

from pathlib import Path

import click

from argo.cli.progress import duration
from argo.cli.tables import Column, age, output_option, print_rows
from argo.local import runs
from argo.local.project import Project
from argo.local.record import RunRecord


def _done(run: RunRecord) -> str:
    return f"{sum(job.phase.ended for job in run.jobs.values())}/{len(run.jobs)}"


_RUNS = (
    Column[RunRecord]("NAME", lambda run: run.name),
    Column[RunRecord]("STATUS", lambda run: run.phase),
    Column[RunRecord]("AGE", lambda run: age(run.started)),
    Column[RunRecord]("DURATION", duration),
    Column[RunRecord]("JOBS", _done),
    Column[RunRecord]("FILE", lambda run: run.file, wide=True),
    Column[RunRecord]("SOURCE", lambda run: run.source, wide=True),
    Column[RunRecord]("MESSAGE", lambda run: run.message, wide=True),
)


@click.command("list")
@output_option
def command(output: str | None) -> None:
    """List the runs of this repository, the newest first."""
    folder = Project.around(Path.cwd()).runs
    print_rows(runs.every(folder), _RUNS, output, RunRecord.encoded, f"no runs in {folder}")
