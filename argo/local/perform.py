"""One job, from its inputs to its versions."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from argo.language.model import Container, CreateModel, GitCheckout, Job, S3Download, Script, Type
from argo.local import actions, folders, inputs, lineage
from argo.local.blocking import blocking
from argo.local.state import Line, State
from argo.local.task import Mount
from job.datasets import DatasetRef, Producer, Version
from job.errors import CommitError


async def perform(state: State, job: Job, say: Line) -> dict[str, str]:
    """Do the job; its outputs as they are recorded. Raises JobError and others of job.errors."""
    folders.make(state.run, job)
    mounts, read = await inputs.of(state, job)
    made: dict[str, Version] = {}
    match job.action:
        case GitCheckout() as action:
            await actions.checkout(state, job, action, say)
        case S3Download() as action:
            await actions.download(state, job, action, say)
        case CreateModel(name=name):
            made = await _model(state, job, DatasetRef.parse(name), mounts, read)
        case Container() | Script() as action:
            await actions.container(state, job, action, mounts, say)
    strings = [output for output in job.outputs.values() if output.type is Type.STRING]
    outputs = {output.name: folders.text(state.run, job, output) for output in strings}
    for output in job.outputs.values():
        if output.type is not Type.STRING:
            folders.folder(state.run, job, output)
    for output in job.outputs.values():
        if output.dataset:
            made[output.name] = await _commit(state, job, output.name, output.dataset, read)
    for name, version in made.items():
        state.made[job.name, name] = version
        outputs[name] = str(version)
    return outputs


async def _model(
    state: State, job: Job, name: DatasetRef, mounts: list[Mount], read: Mapping[str, str]
) -> dict[str, Version]:
    source = next(mount.source for mount in mounts if mount.target == "/inputs/model")
    version = await _store(state, job, "model", name, source, read)
    for output in job.outputs:
        (folders.outputs(state.run, job.name) / output).write_text(str(version), "utf-8")
    return {"model": version}


async def _commit(state: State, job: Job, name: str, dataset: DatasetRef, read: Mapping[str, str]) -> Version:
    folder = folders.outputs(state.run, job.name) / name
    try:
        version = await _store(state, job, name, dataset, folder, read)
    except CommitError as error:
        raise CommitError(str(error).replace(str(folder), f"/outputs/{name}")) from error
    shutil.rmtree(folder, ignore_errors=True)  # it is in the store now
    return version


async def _store(
    state: State, job: Job, output: str, dataset: DatasetRef, folder: Path, read: Mapping[str, str]
) -> Version:
    run = state.run.folder.name
    made_by = lineage.of(state.plan, run, job, source=state.source, inputs=read, checkouts=state.checkouts)
    return await blocking(
        lambda progress: state.plan.datasets.commit_version(
            replace(dataset, version="latest"),
            folder,
            lineage=made_by,
            origin=Producer(run, job.name, output),
            progress=progress,
        )
    )
