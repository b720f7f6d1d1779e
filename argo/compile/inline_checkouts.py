"""Which checkouts need no pod of their own.

A volume is private to each job that takes it. So a checkout that only fills one volume can be done by
the pods of the jobs that take the volume, each for itself at the run's one commit; a pod costs 10 s.
A job that needs the checkout without its volume must not start if the clone fails: then the checkout keeps
its pod, unless that job also waits for one that takes the volume.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from argo.language.graph import upstream_jobs
from argo.language.model import FromJob, GitCheckout, Job, Type, Workflow


@dataclass(frozen=True, slots=True)
class InlinedWorkflow:
    """`jobs` get a pod each, in the file's order; `checkouts` are done by the jobs that take them."""

    jobs: Mapping[str, Job]
    checkouts: Mapping[str, GitCheckout]


def inline_checkouts(workflow: Workflow) -> InlinedWorkflow:
    """Part the workflow's jobs. A job that does a checkout waits for what that waits for."""
    takers = _find_takers(workflow)
    upstream = upstream_jobs({name: job.needs for name, job in workflow.jobs.items()})
    has_pod = {
        need
        for name, job in workflow.jobs.items()
        for need in job.needs
        if need in takers and takers[need].isdisjoint((name, *upstream[name]))
    }
    checkouts = {
        name: job.action
        for name, job in workflow.jobs.items()
        if isinstance(job.action, GitCheckout)
        and name in takers
        and name not in has_pod
        and _fills_one_volume(job)
    }
    jobs = {
        name: replace(job, needs=_list_needs(workflow, job, takers, checkouts))
        for name, job in workflow.jobs.items()
        if name not in checkouts
    }
    return InlinedWorkflow(jobs, checkouts)


def _find_takers(workflow: Workflow) -> dict[str, set[str]]:
    """The jobs that take an output of each job."""
    takers: dict[str, set[str]] = {}
    for name, job in workflow.jobs.items():
        for job_input in job.inputs.values():
            if isinstance(job_input.source, FromJob):
                takers.setdefault(job_input.source.job, set()).add(name)
    return takers


def _fills_one_volume(job: Job) -> bool:
    outputs = list(job.outputs.values())
    return not job.inputs and len(outputs) == 1 and outputs[0].type is Type.VOLUME


def _list_needs(
    workflow: Workflow, job: Job, takers: Mapping[str, set[str]], checkouts: Mapping[str, GitCheckout]
) -> tuple[str, ...]:
    """The pods that the job waits for. It needs what it only waits for through a job that takes it."""
    needs: dict[str, None] = {}
    for name in job.needs:
        if name not in checkouts:
            needs[name] = None
        elif job.name in takers[name]:
            needs |= dict.fromkeys(need for need in workflow.jobs[name].needs if need not in checkouts)
    return tuple(needs)
