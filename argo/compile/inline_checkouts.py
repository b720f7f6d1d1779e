"""Which checkouts need no pod of their own.

A volume is private to each job that takes it. So a checkout that only fills one volume can be done by
the pods of the jobs that take the volume, each for itself at the run's one commit; a pod costs 10 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from argo.language.model import FromJob, GitCheckout, Job, Type, Workflow


@dataclass(frozen=True, slots=True)
class InlinedWorkflow:
    """`jobs` get a pod each, in the file's order; `checkouts` are done by the jobs that take them."""

    jobs: Mapping[str, Job]
    checkouts: Mapping[str, GitCheckout]


def inline_checkouts(workflow: Workflow) -> InlinedWorkflow:
    """Part the workflow's jobs. A job that waits for an inlined checkout waits for what that waits for."""
    producers = {
        job_input.source.job
        for job in workflow.jobs.values()
        for job_input in job.inputs.values()
        if isinstance(job_input.source, FromJob)
    }
    checkouts = {
        name: job.action
        for name, job in workflow.jobs.items()
        if isinstance(job.action, GitCheckout) and name in producers and _fills_one_volume(job)
    }
    jobs = {
        name: replace(job, needs=_needs(workflow, job, checkouts))
        for name, job in workflow.jobs.items()
        if name not in checkouts
    }
    return InlinedWorkflow(jobs, checkouts)


def _fills_one_volume(job: Job) -> bool:
    outputs = list(job.outputs.values())
    return not job.inputs and len(outputs) == 1 and outputs[0].type is Type.VOLUME


def _needs(workflow: Workflow, job: Job, checkouts: Mapping[str, GitCheckout]) -> tuple[str, ...]:
    needs: dict[str, None] = {}
    for name in job.needs:
        if name in checkouts:
            needs |= dict.fromkeys(_needs(workflow, workflow.jobs[name], checkouts))
        else:
            needs[name] = None
    return tuple(needs)
