"""What a job does: a container or script in the runtime, a git checkout, or an S3 download."""

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from argo.language.model import Container, GitCheckout, Job, S3Download, Script, Value
from argo.local import model_cache
from argo.local.job_folders import inputs_folder, outputs_folder, path_on_machine
from argo.local.plan import RunState
from argo.local.process import WriteLine, run_in_thread, run_process, supervised
from argo.local.run_folder import Run
from argo.local.runtime import Access, Mount, Task
from argo.local.volumes import CODE
from argo.repository import remote_url, runs_commands_to_fetch
from job.checkout.git import FETCHES_WHAT_IT_LACKS, is_url
from job.errors import CheckoutError, JobError, TextgenError
from job.untrusted_files import UntrustedPath, copy_tree, remove_tree

SCRIPT = "/run/textgen/script"
# All that a download takes of this process's configuration of AWS: never credentials or a profile.
_AWS_SETTINGS = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE")


async def run_container(
    state: RunState, job: Job, action: Container | Script, mounts: list[Mount], write_line: WriteLine
) -> None:
    mounts = await prepare_inputs(state, job, mounts, write_line)
    await run_task(state, job, action, mounts, write_line)


async def prepare_inputs(
    state: RunState, job: Job, mounts: list[Mount], write_line: WriteLine
) -> list[Mount]:
    """Copy the inputs that this runtime can't mount with their access; the mounts that are left."""
    if job.instance_type:
        write_line(f"textgen: on this machine, not on the instance type {job.instance_type}")
    folder = inputs_folder(state.run, job.name)
    copied = [mount for mount in mounts if mount.access in state.plan.runtime.copied]
    for mount in copied:
        target = folder / Path(mount.target).name
        if mount.source != target:
            source = UntrustedPath.at(mount.source, mount.target)
            await run_in_thread(
                lambda _, source=source, target=target: copy_tree(
                    source, UntrustedPath.at(target, source.name)
                )  # type: ignore[misc]
            )
    return [mount for mount in mounts if mount not in copied]


async def run_task(
    state: RunState,
    job: Job,
    action: Container | Script,
    mounts: list[Mount],
    write_line: WriteLine,
    *,
    name: str = "",
    outputs: Path | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run a container of the job, whose inputs are prepared.

    A job with several gives each a `name`, its own `outputs`, and `variables` beside the job's own.
    """
    runtime = state.plan.runtime
    if isinstance(action, Script):
        script = state.run.job_folder(job.name) / "script"
        script.write_bytes(action.script.encode("utf-8", "surrogateescape"))
        mounts = [*mounts, Mount(script, SCRIPT, Access.READ)]
        command: tuple[str, ...] | None = ("bash", SCRIPT)
        args: tuple[str, ...] = ()
    else:
        command, args = action.command, action.args
    environment = state.plan.environment
    env = {name: state.plan.secrets.value(value) for name, value in job.env.items()}
    task = Task(
        name=f"{state.run.folder.name}-{job.name}" + (f".{name}" if name else ""),  # no job's name has a dot
        image=action.image,
        command=command,
        args=args,
        env={**model_cache.ENV, **environment.variables, **env, **variables},
        secret=environment.secret | {name for name, value in job.env.items() if not isinstance(value, str)},
        mounts=[
            Mount(inputs_folder(state.run, job.name), "/inputs", Access.WRITE),
            *mounts,
            Mount(outputs or outputs_folder(state.run, job.name), "/outputs", Access.WRITE),
            Mount(state.plan.project.storage, "/storage", Access.WRITE),
            *model_cache.model_cache_mounts(state.plan.project.cache),
            *state.plan.models,
        ],
    )
    if reason := runtime.why_unsupported(task):
        raise JobError(reason)
    async with runtime.prepare(task):
        argv, environ = runtime.build_command(task)
        await _run(argv, environ, write_line)


async def run_checkout(state: RunState, job: Job, action: GitCheckout, write_line: WriteLine) -> None:
    target = path_on_machine(state.run, job, action.path)
    checkout = state.plan.checkouts[job.name]
    if checkout.url is None:
        write_line(f"{state.code}, into {action.path}")
        for missing, command in state.code.missing.describe() if state.code else ():
            write_line(f"textgen: {missing}; to have them: {command}")
        code = UntrustedPath.at(state.run.folder / CODE)
        await run_in_thread(lambda _: copy_tree(code, target))
        return
    if not target.is_absent_or_empty():
        raise CheckoutError(f"{target.name}: not an empty folder; give the checkout a folder of its own")
    env = _environment(
        state,
        TEXTGEN_GIT_USERNAME=action.username,
        TEXTGEN_GIT_PASSWORD=action.password or job.env.get("GIT_PASSWORD"),
    )
    root = state.plan.root
    origin = None
    if root and checkout.url == root.as_uri():  # the user's own clone
        if not runs_commands_to_fetch(root):
            env |= FETCHES_WHAT_IT_LACKS
        origin = remote_url(root)

    result = _checkout_file(state.run, job.name)
    async with _fetch_folder(state, job, target) as folder:

        def write_checkout_line(text: str) -> None:
            write_line(text.replace(str(folder), action.path).removeprefix("textgen: "))

        words = [
            f"--url={checkout.url}",
            f"--ref={checkout.ref or ''}",
            f"--path={folder}",
            f"--result={result}",
        ]
        if origin and is_url(origin) and not origin.startswith("."):
            words.append(f"--origin={origin}")
        await _run(_job_command("checkout", *words), env, write_checkout_line)
    state.checkouts[job.name] = read_checkout(state.run, job.name)


def read_checkout(run: Run, job: str) -> Mapping[str, object]:
    """What a checkout that succeeded fetched, for the lineage. Raises FileNotFoundError for another job."""
    file = _checkout_file(run, job)
    try:
        checked_out = json.loads(file.read_bytes())
        return {"repository": checked_out.pop("url"), **checked_out}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TextgenError(f"{file}: damaged") from error


def _checkout_file(run: Run, job: str) -> Path:
    return run.job_folder(job) / "checkout.json"


async def run_download(state: RunState, job: Job, action: S3Download, write_line: WriteLine) -> None:
    target = path_on_machine(state.run, job, action.path)
    env = _environment(
        state, TEXTGEN_S3_ACCESS_KEY=action.access_key, TEXTGEN_S3_SECRET_ACCESS_KEY=action.secret_access_key
    )
    env = {name: value for name, value in env.items() if not name.startswith("AWS_") or name in _AWS_SETTINGS}
    async with _fetch_folder(state, job, target) as folder:
        words = [f"--url={action.url}", f"--path={folder}"]
        words += [f"--region={action.region}"] if action.region else []
        words += [f"--endpoint={action.endpoint}"] if action.endpoint else []
        await _run(
            _job_command("download", *words),
            env,
            lambda text: write_line(text.replace(str(folder), action.path)),
        )


@asynccontextmanager
async def _fetch_folder(state: RunState, job: Job, target: UntrustedPath) -> AsyncIterator[Path]:
    """The folder for what git or S3 sends to `target`.

    A shared volume is filled at the end: its other jobs may put a link into the way of git, which follows it.
    """
    if target.root == outputs_folder(state.run, job.name):
        yield target.root.joinpath(*target.parts)
        return
    folder = state.run.job_folder(job.name) / "fetched"
    try:
        yield folder
        await run_in_thread(lambda _: copy_tree(UntrustedPath.at(folder), target))
    finally:
        remove_tree(folder)


async def _run(argv: list[str], env: Mapping[str, str], write_line: WriteLine) -> None:
    status = await run_process(argv, env=env, write_line=write_line)
    if status:
        killed = " (killed: out of memory?)" if status == 137 else ""
        raise JobError(f"exit status {status}{killed}")


def _environment(state: RunState, **variables: Value | None) -> dict[str, str]:
    """This process's environment with the variables that are not None."""
    values = {name: state.plan.secrets.value(value) for name, value in variables.items() if value is not None}
    return {**os.environ, **values}


def _job_command(*words: str) -> list[str]:
    # -P: a folder `job` in the current directory is another one
    return supervised([sys.executable, "-P", "-m", "job", *words])
