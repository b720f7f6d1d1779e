"""`textgen logs`."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from argo.cli.cluster import cluster_options, find_run
from argo.cli.progress import line_prefixes
from argo.local import run_folder
from job.errors import UnknownReferenceError

if TYPE_CHECKING:
    from argo.cluster.api import Api

_FOLLOW_SECONDS = 0.2


@click.command("logs")
@click.argument("name", metavar="RUN")
@click.argument("job", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the run, or the job, has ended.")
@cluster_options
def command(name: str, job: str | None, follow: bool, context: str | None, namespace: str | None) -> None:
    """Print the logs of RUN, or of its job JOB alone.

    A run on the cluster prints what its pods say in the order of time; the stored log where they are gone.
    """
    place = find_run(name, context, namespace)
    if isinstance(place, Path):
        _here(place, job, follow)
    else:
        _there(place, name, job, follow)


def _here(folder: Path, job: str | None, follow: bool) -> None:
    names = list(run_folder.read(folder).jobs)
    jobs = _chosen(folder.name, names, job)
    named = line_prefixes(names)
    tails = {each: _Tail(folder / "jobs" / each / "log") for each in jobs}
    while True:
        record = run_folder.read(folder)  # before the last look at the logs, so that no line is missed
        for each, tail in tails.items():
            for line in tail.lines():
                click.echo(line if job else f"{named[each]} {line}")
        if not follow or record.phase.ended or all(record.jobs[each].phase.ended for each in jobs):
            return
        time.sleep(_FOLLOW_SECONDS)


def _there(api: "Api", name: str, job: str | None, follow: bool) -> None:
    from argo.cluster.follow import get_snapshot
    from argo.cluster.run_logs import follow_logs, read_logs

    sight = get_snapshot(api, name)
    names = list(sight.record.jobs)
    jobs = _chosen(name, names, job)
    named = line_prefixes(names)
    for line in follow_logs(api, name, set(jobs)) if follow else read_logs(api, sight, set(jobs)):
        click.echo(line.text if job else f"{named[line.job]} {line.text}")


def _chosen(name: str, jobs: Sequence[str], job: str | None) -> Iterable[str]:
    if job and job not in jobs:
        raise UnknownReferenceError(f"{name}: no job {job!r}; it has {', '.join(jobs)}")
    return [job] if job else jobs


class _Tail:
    """The whole lines of a file that were not seen yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._rest = ""

    def lines(self) -> list[str]:
        if not self._file:
            try:
                self._file = self._path.open(encoding="utf-8", errors="replace", newline="\n")
            except FileNotFoundError:
                return []
        *whole, self._rest = (self._rest + self._file.read()).split("\n")
        return whole
