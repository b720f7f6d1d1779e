"""A run on the cluster as it goes: a tree of its jobs on a terminal, a line for each change elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argo.cli.progress import PHASES, Plain, format_duration
from argo.local import run_folder
from argo.runs import Phase, RunRecord
from job.text import visible

if TYPE_CHECKING:
    from argo.cluster.api import Api
    from argo.cluster.follow import RunSnapshot

_LOOK = 0.2  # seconds
_LAST = 10  # lines of a failed job's log


def show_local_run(folder: Path) -> int:
    """The same for a run of this machine, which some other process runs."""
    with _display(False) as show:
        while True:
            record = run_folder.read(folder)
            show(record)
            if record.phase.ended:
                return 0 if record.phase is Phase.SUCCEEDED else 1
            time.sleep(_LOOK)


def show_cluster_run(api: "Api", name: str, *, quiet: bool = False) -> int:
    """Follow the run to its end and show it; the exit status that it asks for.

    Ctrl-C leaves the run alone, says how to get back to it, and is raised again.
    """
    from argo.cluster.follow import follow_run

    sight = None
    try:
        with _display(quiet) as show:
            for sight in follow_run(api, name):
                show(sight.record)
    except KeyboardInterrupt:
        where = f"{name} -n {api.namespace}"
        click.echo(
            f"\n{name} goes on; watch it: textgen watch {where}  stop it: textgen stop {where}", err=True
        )
        raise
    if sight is None:
        raise AssertionError
    if not quiet:
        _tell(api, sight)
    return 0 if sight.record.phase is Phase.SUCCEEDED else 1


def _tell(api: "Api", sight: "RunSnapshot") -> None:
    """The result: versions, or why there are none."""
    from argo.cluster.run_logs import read_last_lines

    record = sight.record
    message = f": {visible(record.message)}" if record.message else ""
    click.echo(
        f"\n{click.style(record.phase, fg=PHASES.get(record.phase))} in {format_duration(record)}{message}"
    )
    for name, job in record.jobs.items():
        for version in job.outputs.values():
            click.echo(f"  {name} made {click.style(visible(version), bold=True)}")
    for name, job in record.jobs.items():
        if job.phase in {Phase.FAILED, Phase.ERROR}:
            click.echo(f"\n{click.style(name, bold=True)}: {visible(job.message) or job.phase}")
            for line in read_last_lines(api, sight, name, _LAST):
                click.echo(f"  | {visible(line)}")
    if record.phase is not Phase.SUCCEEDED:
        click.echo(f"\n  logs     textgen logs {record.name} -n {api.namespace}")
        click.echo(f"  again    textgen retry {record.name} -n {api.namespace}")


@contextmanager
def _display(quiet: bool) -> Iterator[Callable[[RunRecord], None]]:
    """What shows each record that it is given."""
    if quiet:
        yield lambda _: None
    elif sys.stdout.isatty():
        from argo.cli.tree import live_tree

        with live_tree() as show:
            yield show
    else:
        yield _Lines()


class _Lines:
    """Prints what is new: a phase, or a message that was not there before (some come and go)."""

    def __init__(self) -> None:
        self._plain: Plain | None = None
        self._told: set[tuple[str, Phase, str]] = set()

    def __call__(self, record: RunRecord) -> None:
        if self._plain is None:
            self._plain = Plain(sys.stdout, list(record.jobs))
            self._plain.started(record)
            self._told = {(name, Phase.PENDING, "") for name in record.jobs}
        for name, job in record.jobs.items():
            if (name, job.phase, job.message) not in self._told:
                self._plain.changed(name, job)
            self._told.add((name, job.phase, job.message))
        own = ("", record.phase, record.message)
        if record.message and not record.phase.ended and own not in self._told:
            click.echo(visible(record.message))
            self._told.add(own)
        sys.stdout.flush()
