"""A run as a tree of its jobs, drawn anew at each change: for a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from argo.cli.progress import PHASES, format_duration
from argo.runs import Phase, RunRecord
from job.text import visible

_GLYPHS = {
    Phase.PENDING: "◷",
    Phase.RUNNING: "●",
    Phase.SUCCEEDED: "✔",
    Phase.FAILED: "✖",
    Phase.ERROR: "⚠",
    Phase.OMITTED: "○",
}


@contextmanager
def live_tree() -> Iterator[Callable[[RunRecord], None]]:
    """What draws each record that it is given over the one before."""
    with Live(auto_refresh=False) as display:
        yield lambda record: display.update(build_tree(record), refresh=True)


def build_tree(record: RunRecord) -> Tree:
    """Each job stands below the last of the jobs that it waits for."""
    root = Tree(_row(record.name, record.phase, format_duration(record), record.message), guide_style="dim")
    branches: dict[str, Tree] = {}
    for name, job in record.jobs.items():
        above = next((branches[need] for need in reversed(job.needs) if need in branches), root)
        took = format_duration(job) if job.phase is not Phase.PENDING else ""
        branches[name] = above.add(_row(name, job.phase, took, job.message))
    return root


def _row(name: str, phase: Phase, took: str, message: str) -> Text:
    colour = PHASES.get(phase) or ("cyan" if phase is Phase.RUNNING else "dim")
    return Text.assemble(
        (f"{_GLYPHS[phase]} ", colour),
        (name, "bold"),
        f"  {phase}" if phase is not Phase.SUCCEEDED else "",
        (f"  {took}" if took else "", "dim"),
        (f"  {visible(message)}" if message else "", colour if phase.ended else "yellow"),
    )
