"""A run as a tree of its jobs, redrawn at each change, for a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from argo.cli.progress import PHASE_COLOURS
from argo.runs import Phase, RunRecord
from argo.units import format_duration, format_progress
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
def open_live_tree() -> Iterator[Callable[[RunRecord], None]]:
    """A function that draws each record over the one before."""
    with Live(auto_refresh=False) as display:
        yield lambda run: display.update(build_tree(run), refresh=True)


def build_tree(run: RunRecord) -> Tree:
    """The tree; each job is below the last of the jobs that it needs."""
    root = Tree(_build_row(run.name, run.phase, format_duration(run), run.message), guide_style="dim")
    branches: dict[str, Tree] = {}
    for name, job in run.jobs.items():
        parent = next((branches[need] for need in reversed(job.needs) if need in branches), root)
        duration = format_duration(job) if job.phase is not Phase.PENDING else ""
        progress = format_progress(job.progress)
        branches[name] = parent.add(_build_row(name, job.phase, duration, job.message, progress))
    return root


def _build_row(name: str, phase: Phase, duration: str, message: str, progress: str = "") -> Text:
    colour = PHASE_COLOURS.get(phase) or ("cyan" if phase is Phase.RUNNING else "dim")
    return Text.assemble(
        (f"{_GLYPHS[phase]} ", colour),
        (visible(name), "bold"),
        f"  {phase}" if phase is not Phase.SUCCEEDED else "",
        (f"  {duration}" if duration else "", "dim"),
        f"  {progress}" if progress else "",
        (f"  {visible(message)}" if message else "", colour if phase.ended else "yellow"),
    )
