"""One job, from its inputs to its versions."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from argo.language.model import (
    Container,
    CreateModel,
    FromJob,
    FromWorkflow,
    GitCheckout,
    Input,
    Job,
    S3Download,
    Script,
    SharedVolume,
    Type,
)
from argo.local import caches, folders, lineage, plan, process
from argo.local.blocking import blocking
from argo.local.plan import Plan
from argo.local.runs import Run
from argo.local.source import Source, public
from argo.local.store import fetched
from argo.local.task import Access, Mount, Task
from job.datasets import DatasetRef, Origin, Version
from job.errors import CommitError, JobError

SCRIPT = "/run/textgen/script"


@dataclass(slots=True)
class State:
    """What a run has found and made so far, for its later jobs. `source` is its code, once known."""

    plan: Plan
    run: Run
    source: Source | None = None
    made: dict[tuple[str, str], Version] = field(default_factory=dict)
    checkouts: dict[str, Mapping[str, str]] = field(default_factory=dict)


Line = Callable[[str], None]


async def perform(state: State, job: Job, say: Line) -> dict[str, str]:
    """Do the job; its outputs as they are recorded. Raises JobError and others of job.errors."""
    folders.make(state.run, job)
    mounts, read = await _inputs(state, job, say)
    made: dict[str, Version] = {}
    match job.action:
        case GitCheckout() as action:
            await _checkout(state, job, action, say)
        case S3Download() as action:
            await _download(state, job, action, say)
        case CreateModel(name=name):
            made = await _model(state, job, DatasetRef.parse(name), mounts, read)
        case Container() | Script() as action:
            await _container(state, job, action, mounts, say)
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


async def _inputs(state: State, job: Job, say: Line) -> tuple[list[Mount], dict[str, str]]:
    """The mounts of the job's inputs, and the version of each that is a dataset's."""
    mounts: list[Mount] = []
    read: dict[str, str] = {}
    for given in job.inputs.values():
        version = _version(state, job, given, say)
        if version:
            read[given.name] = str(version)
            path = await blocking(lambda progress, v=version: fetched(state.plan, v, progress))  # type: ignore[misc]
            mounts.append(Mount(path, f"/inputs/{given.name}", Access.READ))
        else:
            mounts.append(_mount(state, job, given))
    return mounts, read


def _version(state: State, job: Job, given: Input, say: Line) -> Version | None:
    if isinstance(given.source, FromJob):
        return state.made.get((given.source.job, given.source.output))
    reference = state.plan.dataset(job, given.name)
    if not reference:
        return None
    if earlier := plan.writer(state.plan.workflow, job, reference):
        other, output = earlier
        version = state.made[other.name, output]
        say(f"textgen: input {given.name!r} is {version}, which {other.name} has just made")
        return version
    return state.plan.versions[reference]


def _mount(state: State, job: Job, given: Input) -> Mount:
    target = f"/inputs/{given.name}"
    match given.source:
        case SharedVolume():
            return Mount(folders.shared(state.run, given.name), target, Access.WRITE)
        case FromWorkflow(input=name):
            file = folders.inputs(state.run, job.name) / given.name
            file.write_bytes(str(state.plan.values[name]).encode("utf-8", "surrogateescape"))
            return Mount(file, target, Access.READ)
        case FromJob(job=producer, output=output):
            access = Access.READ if given.type is Type.STRING else Access.PRIVATE
            return Mount(folders.outputs(state.run, producer) / output, target, access)
    raise AssertionError(given.source)


async def _container(
    state: State, job: Job, action: Container | Script, mounts: list[Mount], say: Line
) -> None:
    runtime, secrets = state.plan.runtime, state.plan.secrets
    folder = state.run.job_folder(job.name)
    if job.instance_type:
        say(f"textgen: on this machine, not on a {job.instance_type}")
    mounts = await _own_copies(state, job, mounts)
    if isinstance(action, Script):
        script = folder / "script"
        script.write_bytes(action.script.encode("utf-8", "surrogateescape"))
        mounts = [*mounts, Mount(script, SCRIPT, Access.READ)]
        command: tuple[str, ...] | None = ("bash", SCRIPT)
        args: tuple[str, ...] = ()
    else:
        command, args = action.command, action.args
    env = {name: secrets.value(value) for name, value in job.env.items()}
    task = Task(
        name=f"{state.run.folder.name}-{job.name}",
        image=action.image,
        command=command,
        args=args,
        env={**caches.ENV, **env},
        secret=frozenset(name for name, value in job.env.items() if not isinstance(value, str)),
        mounts=[
            Mount(folders.inputs(state.run, job.name), "/inputs", Access.WRITE),
            *mounts,
            Mount(folders.outputs(state.run, job.name), "/outputs", Access.WRITE),
            Mount(state.plan.project.storage, "/storage", Access.WRITE),
            *caches.mounts(state.plan.project.cache),
        ],
    )
    if refusal := runtime.refusal(task):
        raise JobError(refusal)
    async with runtime.place(task):
        argv, environ = runtime.invocation(task)
        await _run(argv, environ, say)


async def _own_copies(state: State, job: Job, mounts: list[Mount]) -> list[Mount]:
    """Copy what this runtime can't mount as it should be; the mounts that are left."""
    folder = folders.inputs(state.run, job.name)
    copied = [mount for mount in mounts if mount.access in state.plan.runtime.copied]
    for mount in copied:
        await blocking(lambda _, mount=mount: _copy(mount.source, folder / Path(mount.target).name))  # type: ignore[misc]
    return [mount for mount in mounts if mount not in copied]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    elif source != target:
        shutil.copy2(source, target)


async def _run(argv: list[str], env: Mapping[str, str], say: Line) -> None:
    status = await process.run(argv, env=env, line=say)
    if status:
        killed = " (killed: out of memory?)" if status == 137 else ""
        raise JobError(f"exit status {status}{killed}")


async def _checkout(state: State, job: Job, action: GitCheckout, say: Line) -> None:
    target = folders.on_machine(state.run, job, action.path)
    chosen = state.plan.checkouts[job.name]
    if chosen.url is None:
        say(f"{state.source}, into {action.path}")
        code = state.run.folder / "source"
        await blocking(lambda _: shutil.copytree(code, target, symlinks=True, dirs_exist_ok=True))
        return
    secrets = state.plan.secrets
    env = dict(os.environ)
    for name, value in (
        ("TEXTGEN_GIT_USERNAME", action.username),
        ("TEXTGEN_GIT_PASSWORD", action.password or job.env.get("GIT_PASSWORD")),
    ):
        if value is not None:
            env[name] = secrets.value(value)
    words = [f"--url={chosen.url}", f"--ref={chosen.ref or ''}", f"--path={target}"]

    def line(text: str) -> None:
        head, found, commit = text.partition("HEAD is now at ")
        if found and not head:
            state.checkouts[job.name] = {"repository": public(chosen.url or ""), "commit": commit}
        say(text.replace(str(target), action.path).removeprefix("textgen: "))

    await _run(_job("checkout", *words), env, line)


async def _download(state: State, job: Job, action: S3Download, say: Line) -> None:
    target = folders.on_machine(state.run, job, action.path)
    secrets = state.plan.secrets
    env = dict(os.environ)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", action.access_key),
        ("AWS_SECRET_ACCESS_KEY", action.secret_access_key),
    ):
        if value is not None:
            env[name] = secrets.value(value)
    words = [f"--url={action.url}", f"--path={target}"]
    words += [f"--region={action.region}"] if action.region else []
    words += [f"--endpoint={action.endpoint}"] if action.endpoint else []
    await _run(_job("download", *words), env, lambda text: say(text.replace(str(target), action.path)))


def _job(*words: str) -> list[str]:
    # -P: a folder `job` where textgen was called is not ours
    return process.on_leash([sys.executable, "-P", "-m", "job", *words])


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
        lambda progress: state.plan.datasets.commit(
            replace(dataset, version="latest"),
            folder,
            lineage=made_by,
            origin=Origin(run, job.name, output),
            progress=progress,
        )
    )
