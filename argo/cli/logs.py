"""`textgen logs`."""

import time
from pathlib import Path
from typing import TextIO

import click

from argo.local import runs
from argo.local.project import Project
from job.errors import UnknownReferenceError

_FOLLOW_SECONDS = 0.2


@click.command("logs")
@click.argument("name", metavar="RUN")
@click.argument("job", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the run, or the job, has ended.")
def command(name: str, job: str | None, follow: bool) -> None:
    """Print the logs of RUN, or of its job JOB alone."""
    folder = runs.find(Project.around(Path.cwd()).runs, name)
    jobs = list(runs.read(folder).jobs)
    if job and job not in jobs:
        raise UnknownReferenceError(f"{name}: no job {job!r}; it has {', '.join(jobs)}")
    shown = [job] if job else jobs
    tails = {each: _Tail(folder / "jobs" / each / "log") for each in shown}
    while True:
        record = runs.read(folder)  # before the last look at the logs, so that no line is missed
        for each, tail in tails.items():
            for line in tail.lines():
                click.echo(line if job else f"{each} | {line}")
        if not follow or record.phase.ended or all(record.jobs[each].phase.ended for each in shown):
            return
        time.sleep(_FOLLOW_SECONDS)


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
