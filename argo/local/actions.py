"""What a job does, but for create-model: a container of the file's, or our own checkout or download."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from argo.language.model import Container, GitCheckout, Job, S3Download, Script
from argo.local import caches, folders, process
from argo.local.blocking import blocking
from argo.local.state import Line, State
from argo.local.task import Access, Mount, Task
from job.checkout.git import redact_url
from job.errors import JobError

SCRIPT = "/run/textgen/script"


async def container(
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


async def checkout(state: State, job: Job, action: GitCheckout, say: Line) -> None:
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
            state.checkouts[job.name] = {"repository": redact_url(chosen.url or ""), "commit": commit}
        say(text.replace(str(target), action.path).removeprefix("textgen: "))

    await _run(_job("checkout", *words), env, line)


async def download(state: State, job: Job, action: S3Download, say: Line) -> None:
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


def _job(*words: str) -> list[str]:
    # -P: a folder `job` where textgen was called is not ours
    return process.on_leash([sys.executable, "-P", "-m", "job", *words])
