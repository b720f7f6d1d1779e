"""One job, from its inputs to its versions."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from argo.language.model import (
    Container,
    CreateModel,
    Generate,
    GitCheckout,
    Job,
    S3Download,
    Script,
    Type,
)
from argo.local.actions import run_checkout, run_container, run_download
from argo.local.generation import main_container, open_folders, plan_shards, run_shards
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
from job.untrusted_files import UntrustedPath, remove_tree

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
        case Container() | Script() | Generate() as action:
            missing = MissingModule(write_line, state.plan.runtime, main_container(job, action).image)
            try:
                await _run_programs(state, job, action, mounts, missing.write_line)
            except JobError:
                missing.explain()
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


async def _run_programs(
    state: RunState,
    job: Job,
    action: Container | Script | Generate,
    mounts: list[Mount],
    write_line: WriteLine,
) -> None:
    if isinstance(action, Generate):
        if await _find_version(state, job, action.output):
            return
        with _record_step(state.run, job, "plan"):
            plan, mounts = await plan_shards(state, job, action, mounts, write_line)
        with _record_step(state.run, job, "main"):
            await run_shards(state, job, action, plan, mounts, write_line)
    else:
        with _record_step(state.run, job, "main"):
            await run_container(state, job, action, mounts, write_line)


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
                if missing:
                    missing.explain()
    return versions


async def _commit_output(
    state: RunState, job: Job, output: str, dataset: DatasetRef, inputs: Mapping[str, str]
) -> Version:
    if isinstance(job.action, Generate):
        folders = open_folders(state, job, job.action)
        version = await _find_version(state, job, output)
        if version is None:
            files = await run_in_thread(folders.collect)
            version = await _commit(state, job, output, dataset, files, inputs)
        remove_tree(folders.root)
        return version
    folder = outputs_folder(state.run, job.name) / output
    version = await _commit(state, job, output, dataset, folder, inputs)
    shutil.rmtree(folder, ignore_errors=True)  # it is in the store now
    return version


async def _find_version(state: RunState, job: Job, output: str) -> Version | None:
    """The version of a job that was killed when it had committed that: what it is made of may be gone."""
    dataset = job.outputs[output].dataset
    if dataset is None:
        return None
    producer = Producer(state.run.folder.name, job.name, output)
    return await run_in_thread(
        lambda _: state.plan.datasets.find_commit(replace(dataset, version="latest"), producer)
    )


async def _commit(
    state: RunState,
    job: Job,
    output: str,
    dataset: DatasetRef,
    source: Path | Mapping[str, UntrustedPath],
    inputs: Mapping[str, str],
) -> Version:
    """Commit a folder, or files by their paths in the version."""
    run, datasets = state.run.folder.name, state.plan.datasets
    lineage = build_lineage(state.plan, run, job, code=state.code, inputs=inputs, checkouts=state.checkouts)
    ref, producer = replace(dataset, version="latest"), Producer(run, job.name, output)

    def commit(progress: Callable[[int], None]) -> Version:
        if not isinstance(source, Path):
            return datasets.commit_files(ref, source, lineage=lineage, producer=producer, progress=progress)
        name = f"/outputs/{output}"
        return datasets.commit_version(
            ref, source, name=name, lineage=lineage, producer=producer, progress=progress
        )

    return await run_in_thread(commit)
