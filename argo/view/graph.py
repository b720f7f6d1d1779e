"""Where the jobs of a run are drawn: each to the right of what it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from argo.runs import RunRecord
from argo.timeline import Step

_WIDTH, _HEIGHT = 150, 34  # of a job's box
_ACROSS, _DOWN = 48, 14  # between boxes


@dataclass(frozen=True, slots=True)
class Box:
    """A job's box; `name` may be cut for it."""

    job: str
    label: str
    phase: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The boxes, the paths between them (SVG), and the size of all."""

    boxes: Sequence[Box]
    paths: Sequence[str]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A step on a scale from 0 to 1,000."""

    name: str
    x: float
    width: float
    seconds: float


def draw_graph(run: RunRecord) -> Graph:
    """The jobs in columns: in each, those whose longest way from the start is of one length."""
    columns: dict[int, int] = {}
    boxes: dict[str, Box] = {}
    depths: dict[str, int] = {}
    for name in _sort(run):
        job = run.jobs[name]
        depth = max((depths[need] + 1 for need in job.needs if need in depths), default=0)
        depths[name] = depth
        at = columns.get(depth, 0)
        columns[depth] = at + 1
        label = name if len(name) <= 18 else f"{name[:17]}…"
        boxes[name] = Box(name, label, job.phase, depth * (_WIDTH + _ACROSS) + 1, at * (_HEIGHT + _DOWN) + 1)
    paths = [
        _draw_path(boxes[need], boxes[name])
        for name, job in run.jobs.items()
        for need in job.needs
        if need in boxes and name in boxes
    ]
    width = len(columns) * (_WIDTH + _ACROSS) - _ACROSS + 2
    height = max(columns.values(), default=0) * (_HEIGHT + _DOWN) - _DOWN + 2
    return Graph(list(boxes.values()), paths, max(width, 0), max(height, 0))


def draw_timeline(run: RunRecord, steps: Mapping[str, Sequence[Step]], end: datetime) -> dict[str, list[Bar]]:
    """The bars of each job, over the time from the run's start to `end`."""
    whole = max((end - run.started).total_seconds(), 0.001)

    def draw(step: Step) -> Bar:
        start = max((step.start - run.started).total_seconds(), 0.0)
        seconds = max((step.end - step.start).total_seconds(), 0.0)
        return Bar(step.name, 1000 * start / whole, max(1000 * seconds / whole, 2), seconds)

    return {name: [draw(step) for step in job_steps] for name, job_steps in steps.items()}


def _sort(run: RunRecord) -> list[str]:
    """The jobs, each after what it needs; those that wait for one another last."""
    done: dict[str, None] = {}
    waiting = list(run.jobs)
    while waiting:
        ready = [
            name
            for name in waiting
            if all(need in done or need not in run.jobs for need in run.jobs[name].needs)
        ]
        done |= dict.fromkeys(ready or waiting)
        waiting = [name for name in waiting if name not in done]
    return list(done)


def _draw_path(start: Box, end: Box) -> str:
    x1, y1 = start.x + _WIDTH, start.y + _HEIGHT // 2
    x2, y2 = end.x, end.y + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
