"""The timeline of a run as bars: when each job waited, and what it did then."""

import shutil
import sys
from collections.abc import Sequence
from itertools import groupby

import click

from argo.runs import RunRecord, now
from argo.timeline import RUNNING, WAITING, Step, list_steps
from argo.units import format_seconds
from job.text import visible

_LEAST_WIDTH = 20  # columns of a bar
# A step's character, the same where the terminal's encoding has no blocks, and its colour.
_MARKS = {
    WAITING: ("░", ".", "bright_black"),
    "inputs": ("▒", "-", "cyan"),
    "checkout": ("▒", "-", "cyan"),
    "plan": ("▒", "-", "cyan"),
    "main": ("█", "#", "blue"),
    RUNNING: ("█", "#", "blue"),
    "commit": ("▓", "=", "green"),
}


def format_timeline(run: RunRecord) -> str:
    """A bar for each job, over the time from the run's start to its end or now; empty if no job began.

    All is as wide as the terminal.
    """
    steps = list_steps(run)
    if not any(steps.values()):
        return ""
    seconds = ((run.finished or now()) - run.started).total_seconds()
    names = {name: visible(name) for name in steps}
    margin = max(map(len, names.values())) + 3
    width = max(shutil.get_terminal_size().columns - margin, _LEAST_WIDTH)
    lines = [f"{'':{margin}}0s{format_seconds(seconds):>{width - 2}}"]
    for name, job_steps in steps.items():
        lines.append(f"{names[name]:{margin}}{_draw(job_steps, run, seconds, width)}".rstrip())
    used = dict.fromkeys(step.name for job_steps in steps.values() for step in job_steps)
    known = [name for name in _MARKS if name in used]
    legend = [f"{_mark(name, 1)} {visible(name)}" for name in (*known, *(used.keys() - known))]
    return "\n".join([*lines, f"{'':{margin}}{'  '.join(legend)}"])


def _draw(steps: Sequence[Step], run: RunRecord, seconds: float, width: int) -> str:
    """The bar; each step takes at least one column."""
    cells = [""] * width
    last = 0
    for step, following in zip(steps, reversed(range(len(steps))), strict=True):
        start, end = (
            (time - run.started).total_seconds() / seconds if seconds else 0
            for time in (step.start, step.end)
        )
        room = max(width - following, 1)
        first = min(max(int(start * width), last), room - 1)
        last = min(max(round(end * width), first + 1), room)
        cells[first:last] = [step.name] * (last - first)
    return "".join(_mark(name, len(list(same))) for name, same in groupby(cells))


def _mark(name: str, columns: int) -> str:
    if not name:
        return " " * columns
    block, letter, colour = _MARKS.get(name, _MARKS[RUNNING])
    return click.style((block if _has_blocks() else letter) * columns, fg=colour)


def _has_blocks() -> bool:
    try:
        "░▒▓█".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
