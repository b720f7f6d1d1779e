"""A run: every job starts as soon as the jobs that it needs have succeeded."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol

from argo import repository
from argo.language.model import Job
from argo.local import run_folder
from argo.local.plan import Plan, RunState
from argo.local.run_folder import Run
from argo.local.run_job import run_job
from argo.local.saved_plan import SavedPlan
from argo.local.secrets import MIN_LENGTH
from argo.local.volumes import (
    CODE,
    needed_by_retry,
    remove_earlier_volumes,
    remove_volumes,
    restrict_what_stays,
    used_by_retry,
)
from argo.runs import JobRecord, Phase, RunRecord, now
from job.errors import CheckoutError, CommitError, JobError, TextgenError
from job.untrusted_files import remove_tree

_STOP = -1  # no signal's number
_STOP_SECONDS = 0.2
_CLOSED = "the standard output was closed"
_JOB_ERRORS = (JobError, CheckoutError, CommitError)


class Reporter(Protocol):
    """Shows the run as it goes on."""

    def started(self, run: RunRecord) -> None: ...
    def changed(self, job: str, record: JobRecord) -> None: ...
    def line(self, job: str, text: str) -> None: ...


class Stopped(TextgenError):  # noqa: N818
    """`textgen stop` ended the run."""

    def __init__(self, run: str, how: str = "stopped") -> None:
        super().__init__(f"{how}; jobs that had not finished made no version")
        self.run = run


class Interrupted(Stopped):
    """A signal ended the run; the exit status names it, as a shell's does."""

    def __init__(self, run: str, number: int) -> None:
        super().__init__(run, "interrupted")
        self.exit_status = 128 + number


def run_plan(plan: Plan, file: str, report: Reporter) -> Run:
    """Run the workflow to its end. Raises Interrupted for Ctrl-C and SIGTERM, Stopped for `textgen stop`."""
    plan.project.make_folders()
    folder = run_folder.make_run_folder(plan.project.runs, plan.workflow.name)
    with run_folder.hold_lock(folder):
        try:
            state = _start(plan, folder, file)
        except BaseException:  # before there is a run
            remove_tree(folder)
            raise
        remove_earlier_volumes(folder, plan.workflow.path.resolve())
        finish_run(state, report)
        return state.run


def finish_run(state: RunState, report: Reporter) -> None:
    """Run all jobs that have not succeeded. The caller holds the run's lock. Raises as `run_plan` does."""
    run = state.run
    report.started(run.record)
    try:
        ended_by = asyncio.run(_until_asked(_run_jobs(state, report), run.folder))
    finally:
        remove_volumes(run.folder, [*needed_by_retry(state.plan, run), *used_by_retry(run)])
        restrict_what_stays(state.plan.project, run)
    if run.record.phase is Phase.SUCCEEDED:  # it was asked too late
        return
    if ended_by == _STOP:
        run.change(message="stopped")
        raise Stopped(run.folder.name)
    if ended_by:
        raise Interrupted(run.folder.name, ended_by)


def _start(plan: Plan, folder: Path, file: str) -> RunState:
    code = None
    if any(checkout.url is None for checkout in plan.checkouts.values()) and plan.root:
        code = repository.snapshot_working_tree(plan.root, folder / CODE, plan.secrets_file)
    elif plan.root:
        code = repository.describe_code(plan.root, plan.ref or "HEAD", plan.secrets_file)
    SavedPlan(
        plan.workflow.path.resolve(),
        plan.workflow.text,
        plan.ref,
        plan.env,
        plan.shards,
        plan.project.store_url,
        {ref: version.ref for ref, version in plan.versions.items()},
        code,
    ).write(folder)
    record = RunRecord(
        name=folder.name,
        workflow=plan.workflow.name,
        file=file,
        runtime=plan.runtime.name,
        source=str(code) if code else "",
        parameters={name: str(value) for name, value in plan.values.items()},
        started=now(),
        jobs={job.name: JobRecord(needs=job.needs) for job in plan.workflow.jobs.values()},
        branch=plan.branch,
    )
    return RunState(plan, Run(folder, record), code)


async def _until_asked(work: Coroutine[Any, Any, None], folder: Path) -> int | None:
    """Await `work`; the number of the signal that ended it, or _STOP, if one did."""
    caught: list[int] = []
    task = asyncio.ensure_future(work)

    def catch(number: int) -> None:
        caught.append(number)
        task.cancel()

    async def watch() -> None:
        while not run_folder.is_asked_to_stop(folder):
            await asyncio.sleep(_STOP_SECONDS)
        catch(_STOP)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, catch, number)
    watching = asyncio.create_task(watch())
    with contextlib.suppress(asyncio.CancelledError):
        await task
    watching.cancel()
    return caught[0] if caught else None


async def _run_jobs(state: RunState, report: Reporter) -> None:
    tasks: dict[str, asyncio.Task[bool]] = {}

    async def after_needs(job: Job) -> bool:
        if state.run.record.jobs[job.name].phase is Phase.SUCCEEDED:  # before a retry
            return True
        succeeded = await asyncio.gather(*(tasks[name] for name in job.needs))
        if not all(succeeded):
            _change(state.run, report, job.name, phase=Phase.OMITTED, finished=now())
            return False
        return await _run_and_record(state, job, report)

    for job in state.plan.workflow.jobs.values():
        tasks[job.name] = asyncio.create_task(after_needs(job), name=job.name)
    try:
        succeeded = await asyncio.gather(*tasks.values())
    except BaseException as error:
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values())
        for name, record in state.run.record.jobs.items():
            if not record.phase.ended:
                with contextlib.suppress(BrokenPipeError):  # it is recorded
                    _change(state.run, report, name, phase=Phase.OMITTED)
        state.run.change(phase=Phase.FAILED, finished=now(), message=_describe_end(error))
        raise
    failed = [f"{name}: {job.message}" for name, job in state.run.record.jobs.items() if job.message]
    state.run.change(
        phase=Phase.SUCCEEDED if all(succeeded) else Phase.FAILED, finished=now(), message="; ".join(failed)
    )


def _describe_end(error: BaseException) -> str:
    """Why a run ended before its jobs did."""
    if isinstance(error, asyncio.CancelledError):
        return "interrupted"
    if isinstance(error, BrokenPipeError):
        return _CLOSED
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else repr(error)


async def _run_and_record(state: RunState, job: Job, report: Reporter) -> bool:
    """Run one job and record how it ended; whether it succeeded."""
    run = state.run
    folder = run.job_folder(job.name)
    folder.mkdir(parents=True, exist_ok=True)  # with what shards have left
    _change(run, report, job.name, phase=Phase.RUNNING, started=now())
    with (folder / "log").open("w", encoding="utf-8", errors="replace") as log:

        def write_line(text: str) -> None:
            text = state.plan.secrets.mask(text)
            log.write(f"{text}\n")
            log.flush()
            report.line(job.name, text)

        phase, message = Phase.SUCCEEDED, ""
        outputs: dict[str, str] = {}
        for name in state.plan.secrets.unmasked(job):
            write_line(
                f"textgen: secret:{name} is shorter than {MIN_LENGTH} characters: logs show it as it is"
            )
        try:
            outputs = await run_job(state, job, write_line)
        except asyncio.CancelledError:
            _change(run, report, job.name, phase=Phase.FAILED, finished=now(), message="interrupted")
            raise
        except BrokenPipeError:  # of the report: a job's own pipes are read in its process
            run.change_job(job.name, phase=Phase.FAILED, finished=now(), message=_CLOSED)
            raise
        except TextgenError as error:
            phase = Phase.FAILED if isinstance(error, _JOB_ERRORS) else Phase.ERROR
            message = state.plan.secrets.mask(str(error))
        except OSError as error:
            phase, message = Phase.ERROR, f"{error.filename or folder}: {error.strerror}"
        if message:
            log.write(f"textgen: {message}\n")
    _change(run, report, job.name, phase=phase, finished=now(), message=message, outputs=outputs)
    return phase is Phase.SUCCEEDED


def _change(run: Run, report: Reporter, job: str, **changes: object) -> None:
    report.changed(job, run.change_job(job, **changes))
