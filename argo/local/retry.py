"""Running those jobs of a run again that did not succeed, as the same run: with the same file, code, inputs
and dataset versions, and with what the other jobs made."""

import os
import shlex
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from argo.language import check
from argo.local import run_folder
from argo.local.actions import read_checkout
from argo.local.job_folders import SHARDS
from argo.local.plan import Plan, RunState, make_plan
from argo.local.run_folder import Project, Run
from argo.local.run_job import version_outputs
from argo.local.runner import Reporter, finish_run
from argo.local.runtime import Runtime
from argo.local.saved_plan import SavedPlan
from argo.local.volumes import needed_by_retry
from argo.runs import JobRecord, Phase, now
from job.datasets import DatasetRef
from job.errors import InputError
from job.untrusted_files import remove_tree


def retry_run(
    folder: Path,
    make_runtime: Callable[[str], Runtime],
    secrets: Path | None,
    env: Collection[str],
    make_reporter: Callable[[list[str]], Reporter],
) -> tuple[Plan, Run]:
    """Run the jobs again, to the run's end.

    Raises InputError for a run that has not failed, or of which too little is left, and Interrupted as
    `run_plan` does.
    """
    name = folder.name
    if run_folder.is_alive(folder):
        raise InputError(f"{name} is Running: only a run that has failed can be retried")
    with run_folder.hold_lock(folder):  # of those that read, or of another retry
        record = run_folder.load(folder)
        if record.phase is Phase.SUCCEEDED:
            raise InputError(f"{name} is Succeeded: only a run that has failed can be retried")
        saved = SavedPlan.read(folder)
        if missing := [each for each in saved.env if each not in env]:  # its caller's to give, not the file's
            given = " ".join(f"--env {shlex.quote(each)}" for each in missing)
            raise InputError(f"{name} was run with {given}: give it again")
        workflow = check(saved.file, saved.text.encode()).require_workflow()
        plan = make_plan(
            workflow,
            make_runtime(record.runtime),
            parameters=record.parameters,
            ref=None,
            secrets=secrets,
            env=env,
            shards=saved.shards,
            saved=saved,
            project=Project(folder.parents[2]),
        )
        run = Run(folder, record)
        _check_what_is_left(plan, run)
        run_folder.forget_stop(folder)
        state = RunState(plan, run, saved.code)
        for name, job in record.jobs.items():
            if job.phase is Phase.SUCCEEDED:
                _restore(state, name)
        _reset(run)
        finish_run(state, make_reporter(list(workflow.jobs)))
        return plan, run


def _check_what_is_left(plan: Plan, run: Run) -> None:
    needed = list(needed_by_retry(plan, run))
    again = f"run the file again: textgen run {plan.workflow.path}"
    for path in needed:
        if not os.path.lexists(path):
            raise InputError(f"{path}: is gone, and a job that did not succeed needs it; {again}")
    died = not run.record.phase.ended
    booted = time.time() - time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    if needed and died and run.record.started.timestamp() < booted:
        raise InputError(
            f"{run.folder.name}: this machine went down while it ran, so its files may be damaged; {again}"
        )


def _reset(run: Run) -> None:
    """Make the run one that has just started, with the jobs that succeeded."""
    jobs = {
        name: job if job.phase is Phase.SUCCEEDED else JobRecord(needs=job.needs)
        for name, job in run.record.jobs.items()
    }
    for name, job in jobs.items():
        if job.phase is not Phase.SUCCEEDED:
            _empty_job_folder(run.job_folder(name))
    run.change(phase=Phase.RUNNING, started=now(), finished=None, message="", jobs=jobs)


def _empty_job_folder(folder: Path) -> None:
    """Remove what the job has left but its shards, which go on."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.name != SHARDS:
            remove_tree(path) if path.is_dir() else path.unlink()


def _restore(state: RunState, name: str) -> None:
    """Give the later jobs, and their lineage, what a job that succeeded has made."""
    job, record = state.plan.workflow.jobs[name], state.run.record.jobs[name]
    for output in record.outputs.keys() & version_outputs(job):
        version = state.plan.datasets.resolve(DatasetRef.parse(record.outputs[output]))
        state.versions[name, output] = version
    with suppress(FileNotFoundError):
        state.checkouts[name] = read_checkout(state.run, name)
