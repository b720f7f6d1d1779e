"""A run as it goes on, in lines: each change of a job, and what the jobs print."""

import time
from collections.abc import Sequence
from typing import TextIO

import click

from argo.runs import JobRecord, Phase, RunRecord
from argo.units import format_duration, format_progress
from job.text import visible, visible_line

PHASE_COLOURS = {
    Phase.SUCCEEDED: "green",
    Phase.FAILED: "red",
    Phase.ERROR: "red",
    Phase.OMITTED: "yellow",
}
_JOB_COLOURS = ("cyan", "magenta", "blue", "yellow", "green")


class SilentReporter:
    """Prints nothing."""

    def started(self, run: RunRecord) -> None:
        pass

    def changed(self, job: str, record: JobRecord) -> None:
        pass

    def line(self, job: str, text: str) -> None:
        pass


class LineReporter:
    """Prints a line for each change and for each line of a job, coloured on a terminal."""

    def __init__(self, stream: TextIO, jobs: Sequence[str]) -> None:
        self._stream = stream
        self._width = max(map(len, jobs), default=0)
        self._prefixes = line_prefixes(jobs, self._width)

    def started(self, run: RunRecord) -> None:
        parts = [click.style(run.name, bold=True), visible(run.source), f"runtime {run.runtime}"]
        self._print("  ".join(filter(None, parts)))

    def changed(self, job: str, record: JobRecord) -> None:
        duration = f"  {format_duration(record)}" if record.finished and record.started else ""
        progress = f"  {format_progress(record.progress)}" if record.progress else ""
        message = f"  {visible(record.message)}" if record.message else ""
        phase = click.style(f"{record.phase:<9}", fg=PHASE_COLOURS.get(record.phase))
        clock = time.strftime("%H:%M:%S")
        self._print(f"{clock}  {job:<{self._width}}  {phase}{duration}{progress}{message}".rstrip())

    def line(self, job: str, text: str) -> None:
        self._print(f"{self._prefixes[job]} {visible_line(text)}")

    def _print(self, text: str) -> None:
        click.echo(text, file=self._stream)


def line_prefixes(jobs: Sequence[str], width: int = 0) -> dict[str, str]:
    """For each job its name and a bar, in a colour of its own: the prefix of its lines."""
    return {
        job: click.style(f"{job:<{width}} |", fg=_JOB_COLOURS[number % len(_JOB_COLOURS)])
        for number, job in enumerate(jobs)
    }
