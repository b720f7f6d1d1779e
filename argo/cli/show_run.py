"""A run as it goes on: a tree of its jobs on a terminal, otherwise a line for each change."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argo.cli.progress import PHASE_COLOURS, LineReporter
from argo.local import run_folder
from argo.runs import JobRecord, Phase, RunRecord
from argo.units import format_duration
from job.command import print_notice
from job.extras import find_missing_module
from job.text import visible, visible_line

if TYPE_CHECKING:
    from argo.cluster.api import Api
    from argo.cluster.follow_run import RunSnapshot

_READ_SECONDS = 0.2
_PROGRESS_SECONDS = 30.0  # between two lines that say how far a generation has come
_LAST_LINES = 10  # of a failed job's log


def show_local_run(folder: Path) -> int:
    """Show a run of this machine, which another process runs, until it ends. Returns the exit status."""
    with _open_display(quiet=False) as show:
        while True:
            run = run_folder.read(folder)
            show(run)
            if run.phase.ended:
                return 0 if run.phase is Phase.SUCCEEDED else 1
            time.sleep(_READ_SECONDS)


def show_cluster_run(api: "Api", name: str, *, quiet: bool = False) -> int:
    """Show a run on the cluster until it ends, and its versions. Returns the exit status.

    Ctrl-C leaves the run alone, says how to return to it, and is raised again.
    """
    from argo.cluster.follow_run import follow_run
    from argo.cluster.shard_progress import ShardProgressReader

    snapshot = None
    try:
        with _open_display(quiet) as show:
            progress = ShardProgressReader(api, lambda problem: print_notice(f"textgen: {problem}"))
            for snapshot in follow_run(api, name):
                show(progress.add_to(snapshot))
    except KeyboardInterrupt:
        run = f"{name} {api.options}"
        click.echo(
            f"\n{name} is still running; to watch it: textgen watch {run}; to stop it: textgen stop {run}",
            err=True,
        )
        raise
    if snapshot is None:
        raise AssertionError
    if not quiet:
        _print_summary(api, snapshot)
    return 0 if snapshot.record.phase is Phase.SUCCEEDED else 1


def _print_summary(api: "Api", snapshot: "RunSnapshot") -> None:
    """Print how the run ended, the versions that it made, and why jobs failed."""
    from argo.cluster.run_logs import read_last_lines

    run = snapshot.record
    phase = click.style(run.phase, fg=PHASE_COLOURS.get(run.phase))
    message = f": {visible(run.message)}" if run.message else ""
    click.echo(f"\n{phase} in {format_duration(run)}{message}")
    for name, job in run.jobs.items():
        for version in job.outputs.values():
            click.echo(f"  {name} made {click.style(visible(version), bold=True)}")
    for name, job in run.jobs.items():
        if job.phase in {Phase.FAILED, Phase.ERROR}:
            click.echo(f"\n{click.style(name, bold=True)}: {visible(job.message) or job.phase}")
            lines = read_last_lines(api, snapshot, name, _LAST_LINES)
            for line in lines:
                click.echo(f"  | {visible_line(line)}")
            if module := next(filter(None, map(find_missing_module, reversed(lines))), None):
                click.echo(f"  its image has no {module}; take one that has it, such as textgen-job")
    if run.phase is not Phase.SUCCEEDED:
        click.echo(f"\n  logs     textgen logs {run.name} {api.options}")
        click.echo(f"  retry    textgen retry {run.name} {api.options}")


@contextmanager
def _open_display(quiet: bool) -> Iterator[Callable[[RunRecord], None]]:
    """A function that shows each record that it gets."""
    if quiet:
        yield lambda _: None
    elif sys.stdout.isatty():
        from argo.cli.tree import open_live_tree

        with open_live_tree() as show:
            yield show
    else:
        yield _ChangePrinter()


class _ChangePrinter:
    """Prints a phase or a message that was not printed before; some come and go.

    How far a generation has come, and what its pods say, is printed now and then.
    """

    def __init__(self) -> None:
        self._reporter: LineReporter | None = None
        self._printed: set[tuple[str, Phase, str]] = set()
        self._generations: dict[str, tuple[Phase, JobRecord, float]] = {}  # what was printed last, and when

    def __call__(self, run: RunRecord) -> None:
        if self._reporter is None:
            self._reporter = LineReporter(sys.stdout, list(run.jobs))
            self._reporter.started(run)
            self._printed = {(name, Phase.PENDING, "") for name in run.jobs}
        for name, job in run.jobs.items():
            if job.progress and not job.phase.ended:
                if self._is_due(name, job):
                    self._reporter.changed(name, job)
            elif (name, job.phase, job.message) not in self._printed:
                self._reporter.changed(name, job)
            self._printed.add((name, job.phase, job.message))
        change = ("", run.phase, run.message)
        if run.message and not run.phase.ended and change not in self._printed:
            click.echo(visible(run.message))
            self._printed.add(change)
        sys.stdout.flush()

    def _is_due(self, name: str, job: JobRecord) -> bool:
        """Whether a generation has a new phase, or something new after a while."""
        phase, last, printed = self._generations.get(name, (None, job, 0.0))
        is_due = phase is not job.phase or (job != last and time.monotonic() - printed >= _PROGRESS_SECONDS)
        if is_due:
            self._generations[name] = job.phase, job, time.monotonic()
        return is_due
