"""`textgen logs`."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argo.cli.cluster import cluster_options, find_run
from argo.cli.progress import line_prefixes
from argo.cli.run_argument import job_argument, run_argument
from argo.local import run_folder
from argo.local.log_tail import LogTail
from job.errors import UnknownReferenceError
from job.text import visible_line

if TYPE_CHECKING:
    from argo.cluster.api import Api

_FOLLOW_SECONDS = 0.2


@click.command("logs")
@run_argument
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Follow the logs until the run or the job completes.")
@cluster_options
def command(name: str, job: str | None, follow: bool, context: str | None, namespace: str | None) -> None:
    """Print the logs of RUN, or only of its job JOB.

    The logs of a run on the cluster come from its pods, in the order of time. If the pods are gone, they come
    from the archive.
    """
    location = find_run(name, context, namespace)
    if isinstance(location, Path):
        _print_local_logs(location, job, follow)
    else:
        _print_cluster_logs(location, name, job, follow)


def _print_local_logs(folder: Path, job: str | None, follow: bool) -> None:
    names = list(run_folder.read(folder).jobs)
    jobs = _select_jobs(folder.name, names, job)
    prefixes = line_prefixes(names)
    tails = {name: LogTail(folder, name) for name in jobs}
    while True:
        run = run_folder.read(folder)  # before the logs, so that no line is missed at the end
        is_end = not follow or run.phase.ended or all(run.jobs[name].phase.ended for name in jobs)
        for name, tail in tails.items():
            for line in tail.read_lines(is_end=is_end):
                shown = visible_line(line)
                click.echo(shown if job else f"{prefixes[name]} {shown}")
        if is_end:
            return
        time.sleep(_FOLLOW_SECONDS)


def _print_cluster_logs(api: "Api", name: str, job: str | None, follow: bool) -> None:
    from argo.cluster.follow_run import get_snapshot
    from argo.cluster.run_logs import follow_logs, read_logs

    snapshot = get_snapshot(api, name)
    names = list(snapshot.record.jobs)
    jobs = set(_select_jobs(name, names, job))
    prefixes = line_prefixes(names)
    for line in follow_logs(api, name, jobs) if follow else read_logs(api, snapshot, jobs):
        shown = visible_line(line.text)
        click.echo(shown if job else f"{prefixes[line.job]} {shown}")


def _select_jobs(run: str, jobs: Sequence[str], job: str | None) -> Sequence[str]:
    if job and job not in jobs:
        raise UnknownReferenceError(f"{run}: no job {job!r}; it has {', '.join(jobs)}")
    return [job] if job else jobs
