"""generate@v1 as pods: `plan` shares the rows out, each `shard` generates, `join` makes the version.

    write                a DAG of these three
    write-plan           main: python3 -m job commit plan
    write-shard          main: python3 -m job commit shard; as many pods as there are shards
    write-join           main: python3 -m job commit: `store` copies what the shards left

All keep their logs, and what they make for one another, under the name of the job.
"""

from collections.abc import Iterator
from dataclasses import replace

from argo.compile.compiled_job import CompiledJob, WorkflowContext, compile_job
from argo.compile.names import template_name
from argo.compile.resources import has_gpu
from argo.compile.specs import Part
from argo.language.generation import make_plan_action, make_shard_action
from argo.language.model import Container, Generate, Input, Job, Output, Type
from job.pod.outputs import JoinOutput, PlanOutput, ShardOutput
from job.pod.spec import INPUTS, OUTPUTS, SHARD_FOLDER

PLAN, SHARD, JOIN = "plan", "shard", "join"
INDEX, TEXTS = "index", "texts"  # input parameters of a shard's template; the second is the plan's output


def compile_pods(context: WorkflowContext, job: Job) -> Iterator[CompiledJob]:
    """The job's pods: one, or the three kinds of a generation."""
    if not isinstance(job.action, Generate):
        yield compile_job(context, job)
        return
    action = job.action
    prompts = job.inputs.get(action.prompts_input)
    # Of a volume the store has no single files.
    is_dataset = prompts is not None and prompts.type is Type.DATASET
    unread = [each for each in job.inputs.values() if _is_model_alone(each, job, action)]
    plan = replace(
        job,
        action=_commit_after(
            make_plan_action(action, context.textgen, f"{OUTPUTS}/{PLAN}", copy_rows=not is_dataset)
        ),
        inputs={name: each for name, each in job.inputs.items() if each not in unread},
        outputs={PLAN: Output(PLAN, Type.VOLUME, None, job.at)},
    )
    yield compile_job(context, plan, Part(PLAN, {PLAN: PlanOutput()}, unread=unread))
    folder, output = str(SHARD_FOLDER), f"{OUTPUTS}/{action.output}"
    gpu = has_gpu(job, context.cluster)
    shard = replace(
        job,
        action=_commit_after(make_shard_action(action, context.textgen, folder, output, has_gpu=gpu)),
        inputs={name: each for name, each in job.inputs.items() if _is_read_by_shards(each, action)},
    )
    texts = {action.output: ShardOutput()}
    pod = compile_job(context, shard, Part(SHARD, texts, action.output, prompts if is_dataset else None))
    yield pod
    dataset = job.outputs[action.output].dataset
    if dataset is None or pod.main is None:
        raise AssertionError(job)
    version = {action.output: JoinOutput(dataset.dataset, action.shards)}
    yield compile_job(context, replace(job, inputs={}, outputs={}), Part(JOIN, version, image=pod.main.image))


def template_names(job: Job) -> list[str]:
    """The names of all of the job's templates; the first one stands for the job."""
    name = template_name(job.name)
    parts = (PLAN, SHARD, JOIN) if isinstance(job.action, Generate) else ()
    return [name, *(part_template_name(job, part) for part in parts)]


def part_template_name(job: Job, part: str) -> str:
    """The name of the template of one kind of a job's pods; of a job with one pod, `part` is ""."""
    return f"{template_name(job.name)}-{part}" if part else template_name(job.name)


def _commit_after(action: Container) -> Container:
    """The command of textgen's, which asks at its end for its outputs to be stored."""
    return replace(action, args=("commit", *action.args))


def _is_read_by_shards(entry: Input, action: Generate) -> bool:
    """The plan holds the settings and says which prompts; a folder may hold the model, the prompts' too."""
    return entry.type is not Type.STRING and (
        entry.name == action.model_input or entry.name != action.prompts_input
    )


def _is_model_alone(entry: Input, job: Job, action: Generate) -> bool:
    """Whether the plan reads nothing of a dataset, which may be large: only the model is said to be in it."""
    others = [*(value for name, value in action.settings.items() if name != "model"), *job.env.values()]
    is_named = any(f"{INPUTS}/{entry.name}" in str(other) for other in others)
    return entry.type is Type.DATASET and entry.name == action.model_input and not is_named
