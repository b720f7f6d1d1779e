"""One job, from its inputs to its versions."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from argo.language.model import Container, CreateModel, GitCheckout, Job, S3Download, Script, Type
from argo.local.actions import run_checkout, run_container, run_download
from argo.local.inputs import mount_inputs
from argo.local.job_folders import check_output_folder, make_folders, outputs_folder, read_string
from argo.local.lineage import build_lineage
from argo.local.missing_modules import MissingModule
from argo.local.plan import RunState
from argo.local.process import WriteLine, run_in_thread
from argo.local.run_folder import Run
from argo.local.runtime import Mount
from argo.runs import StepRecord, now
from job.datasets import DatasetRef, Producer, Version
from job.errors import JobError, NothingToCommitError

_MODEL = "model"  # the output of create-model@v1 that its version is recorded as


async def run_job(state: RunState, job: Job, write_line: WriteLine) -> dict[str, str]:
    """Run the job; its outputs as they are recorded. Raises JobError and others of job.errors."""
    make_folders(state.run, job)
    with _record_step(state.run, job, "inputs") if job.inputs else nullcontext():
        mounts, inputs = await mount_inputs(state, job)
    versions: dict[str, Version] = {}
    missing = None
    match job.action:
        case GitCheckout() as action:
            with _record_step(state.run, job, "checkout"):
                await run_checkout(state, job, action, write_line)
        case S3Download() as action:
            with _record_step(state.run, job, "main"):
                await run_download(state, job, action, write_line)
        case CreateModel(name=name):
            with _record_step(state.run, job, "commit"):
                versions = await _create_model(state, job, DatasetRef.parse(name), mounts, inputs)
        case Container() | Script() as action:
            missing = MissingModule(write_line)
            try:
                with _record_step(state.run, job, "main"):
                    await run_container(state, job, action, mounts, missing.write_line)
            except JobError:
                missing.explain(state.plan.runtime, action.image)
                raise
    strings = [output for output in job.outputs.values() if output.type is Type.STRING]
    outputs = {output.name: read_string(state.run, job, output) for output in strings}
    for output in job.outputs.values():
        if output.type is not Type.STRING:
            check_output_folder(state.run, job, output)
    if any(output.dataset for output in job.outputs.values()):
        with _record_step(state.run, job, "commit"):
            versions |= await _commit_outputs(state, job, inputs, write_line, missing)
    for name, version in versions.items():
        state.versions[job.name, name] = version
        outputs[name] = str(version)
    return outputs


def version_outputs(job: Job) -> list[str]:
    """Those of the job's recorded outputs that are versions."""
    made = [output.name for output in job.outputs.values() if output.dataset]
    return [*made, _MODEL] if isinstance(job.action, CreateModel) else made


async def _create_model(
    state: RunState, job: Job, model: DatasetRef, mounts: list[Mount], inputs: Mapping[str, str]
) -> dict[str, Version]:
    source = next(mount.source for mount in mounts if mount.target == "/inputs/model")
    version = await _commit(state, job, _MODEL, model, source, inputs)
    for output in job.outputs:
        (outputs_folder(state.run, job.name) / output).write_text(str(version), "utf-8")
    return {_MODEL: version}


@contextmanager
def _record_step(run: Run, job: Job, name: str) -> Iterator[None]:
    """Write into the record when a part of the job started, and when it finished, however it did."""
    earlier, step = run.record.jobs[job.name].steps, StepRecord(name, now())
    run.change_job(job.name, steps=(*earlier, step))
    try:
        yield
    finally:
        run.change_job(job.name, steps=(*earlier, replace(step, finished=now())))


async def _commit_outputs(
    state: RunState, job: Job, inputs: Mapping[str, str], write_line: WriteLine, missing: MissingModule | None
) -> dict[str, Version]:
    versions = {}
    for output in job.outputs.values():
        if output.dataset:
            try:
                versions[output.name] = await _commit_output(state, job, output.name, output.dataset, inputs)
            except NothingToCommitError as error:
                write_line(f"textgen: warning: no version is made: {error}")
                if missing and isinstance(job.action, Container | Script):
                    missing.explain(state.plan.runtime, job.action.image)
    return versions


async def _commit_output(
    state: RunState, job: Job, output: str, dataset: DatasetRef, inputs: Mapping[str, str]
) -> Version:
    folder = outputs_folder(state.run, job.name) / output
    version = await _commit(state, job, output, dataset, folder, inputs)
    shutil.rmtree(folder, ignore_errors=True)  # it is in the store now
    return version


async def _commit(
    state: RunState, job: Job, output: str, dataset: DatasetRef, folder: Path, inputs: Mapping[str, str]
) -> Version:
    run = state.run.folder.name
    lineage = build_lineage(state.plan, run, job, code=state.code, inputs=inputs, checkouts=state.checkouts)
    return await run_in_thread(
        lambda progress: state.plan.datasets.commit_version(
            replace(dataset, version="latest"),
            folder,
            name=f"/outputs/{output}",
            lineage=lineage,
            producer=Producer(run, job.name, output),
            progress=progress,
        )
    )
