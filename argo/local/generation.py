"""generate@v1 on this machine: plan and shards as on a cluster, one shard at a time, or one for each GPU."""

import asyncio
from importlib.metadata import version

from argo.instances import builtin_instances
from argo.language.generation import make_plan_action, make_shard_action
from argo.language.model import Container, Generate, Job, Script, Type
from argo.local.actions import prepare_inputs, run_task
from argo.local.gpus import VISIBLE, list_gpus, share_gpus
from argo.local.job_folders import shards_folder
from argo.local.plan import RunState
from argo.local.process import WriteLine, run_in_thread
from argo.local.runtime import Access, Mount
from argo.local.shard_folders import PLAN, ShardFolders
from argo.runs import Progress
from job.errors import JobError
from job.generate.shards.plan_json import PlannedTexts

_ROWS = "/run/textgen/shard"  # what a shard reads
# The folder that the host runtime is started in may hold another `job`.
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}
_PROGRESS_SECONDS = 5.0  # between two looks at how many texts there are


def open_folders(state: RunState, job: Job, action: Generate) -> ShardFolders:
    """What the job's shards leave."""
    return ShardFolders(shards_folder(state.run, job.name), action.output, action.shards)


def main_container(job: Job, action: Container | Script | Generate) -> Container | Script:
    """The container that makes the job's outputs; of generate@v1 that of each shard, as on a cluster."""
    if not isinstance(action, Generate):
        return action
    instance = builtin_instances().find(job.instance_type) if job.instance_type else None
    has_gpu = instance is not None and instance.gpus > 0
    output = f"/outputs/{action.output}"
    return make_shard_action(action, version("argo-textgen"), _ROWS, output, has_gpu=has_gpu)


async def plan_shards(
    state: RunState, job: Job, action: Generate, mounts: list[Mount], write_line: WriteLine
) -> tuple[PlannedTexts, list[Mount]]:
    """Share the texts out, unless that is done; the plan, and the mounts of the inputs, now prepared.

    Raises JobError if earlier shards of the job had other settings.
    """
    folders = open_folders(state, job, action)
    variables = {name: text for name, text in _variables(state, job).items() if name.startswith("TEXTGEN_")}
    given = {"textgen": version("argo-textgen"), **variables}
    if folders.is_planned:
        folders.check_given(given)
    mounts = await prepare_inputs(state, job, mounts, write_line)
    if not folders.is_planned:
        prompts = job.inputs.get(action.prompts_input)
        is_dataset = prompts is not None and prompts.type is Type.DATASET
        container = make_plan_action(
            action, version("argo-textgen"), f"/outputs/{PLAN}", copy_rows=not is_dataset
        )
        outputs = folders.make_planning()
        await run_task(
            state, job, container, mounts, write_line, name=PLAN, outputs=outputs, variables=_SAFE_PATH
        )
        await run_in_thread(lambda _: folders.keep_plan(outputs, given))
    return folders.read_plan(), mounts


async def run_shards(
    state: RunState,
    job: Job,
    action: Generate,
    plan: PlannedTexts,
    mounts: list[Mount],
    write_line: WriteLine,
) -> None:
    """Generate the texts of the shards that are not done.

    Raises JobError if a shard fails: no other is started then, and those that run are waited for.
    """
    folders, container = open_folders(state, job, action), main_container(job, action)
    texts = plan.texts_of_shards
    shards = [index for index, count in enumerate(texts) if count]
    missing = [index for index in shards if not folders.is_done(index)]
    if len(missing) < len(shards):
        write_line(f"textgen: {len(shards) - len(missing)} of {len(shards)} shards are done already")
    waiting, failures = iter(missing), list[str]()
    done = set(range(action.shards)) - set(missing)

    def record_progress() -> None:
        begun = (min(folders.count_texts(index), texts[index]) for index in missing if index not in done)
        made = sum(texts[index] for index in done) + sum(begun)
        state.run.change_job(job.name, progress=Progress(made, sum(texts), len(done), action.shards))

    async def record_repeatedly() -> None:
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            record_progress()

    async def run_shard(index: int, gpu: str | None) -> None:
        prefix = f"shard {index}: " if action.shards > 1 else ""
        try:
            await run_task(
                state,
                job,
                container,
                [*mounts, Mount(folders.find_rows(index), _ROWS, Access.READ)],
                lambda text: write_line(prefix + text),
                name=f"{index:05d}",
                outputs=folders.make_outputs(index),
                variables=_SAFE_PATH | ({VISIBLE: gpu} if gpu else {}),
            )
        except JobError as error:
            failures.append(f"{prefix}{error}")
        else:
            folders.set_done(index)
            done.add(index)
            record_progress()

    async def work(gpu: str | None) -> None:
        for index in waiting:
            await run_shard(index, gpu)
            if failures:
                return

    record_progress()
    gpus = share_gpus(plan.settings, list_gpus(_variables(state, job)))[: action.parallelism]
    try:
        async with asyncio.TaskGroup() as group:
            recorder = group.create_task(record_repeatedly())
            await asyncio.gather(*(group.create_task(work(gpu)) for gpu in gpus))
            recorder.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        record_progress()
    if failures:
        raise JobError("; ".join(failures))


def _variables(state: RunState, job: Job) -> dict[str, str]:
    own = {name: state.plan.secrets.value(value) for name, value in job.env.items()}
    return {**state.plan.environment.variables, **own}
