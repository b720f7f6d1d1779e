"""When each job of a run waited and what it did then."""

from datetime import datetime
from typing import NamedTuple

from argo.runs import JobRecord, Phase, RunRecord, now

WAITING, RUNNING = "waiting", "running"


class Step(NamedTuple):
    """A part of a job's time: `waiting`, one of its record, or `running` if that has none."""

    name: str
    start: datetime
    end: datetime


def list_steps(run: RunRecord) -> dict[str, list[Step]]:
    """The steps of each job, in turn.

    A job waits from when all that it needs has finished. A job that was left out has no steps.
    """
    end = run.finished or now()
    steps = {}
    for name, job in run.jobs.items():
        ready = _find_ready(run, job)
        recorded = [Step(each.name, each.started, each.finished or job.finished or end) for each in job.steps]
        if not recorded and job.started:
            recorded = [Step(RUNNING, job.started, job.finished or end)]
        begun = recorded[0].start if recorded else end
        is_waiting = ready is not None and begun > ready and (recorded or job.phase is Phase.PENDING)
        steps[name] = [Step(WAITING, ready, begun), *recorded] if ready and is_waiting else recorded
    return steps


def _find_ready(run: RunRecord, job: JobRecord) -> datetime | None:
    """When the last job that this one needs had finished; None if one has not succeeded."""
    needs = [run.jobs[name] for name in job.needs if name in run.jobs]
    if any(need.phase is not Phase.SUCCEEDED or need.finished is None for need in needs):
        return None
    return max([run.started, *(need.finished for need in needs if need.finished)])
