"""What of a workflow a cluster can't run, and `textgen run` can: lint warns of it, and `build` refuses it."""

from collections.abc import Iterator

from argo.compile.compiled_job import CompiledJob, WorkflowContext
from argo.compile.escaping import ARGUMENT_LIMIT
from argo.compile.generation import compile_pods, template_names
from argo.compile.main_container import lacks_command
from argo.compile.names import find_clashes, is_secret_key, parameter_name
from argo.compile.parameters import LENGTH_HINT, describe_length
from argo.kubernetes_names import GITHUB_REF, GITHUB_URL
from argo.language.diagnostics import CODES, Diagnostic
from argo.language.model import (
    Container,
    Generate,
    GitCheckout,
    Job,
    Position,
    S3Download,
    Script,
    Secret,
    Workflow,
)
from job.checkout.git import is_local
from job.pod.outputs import DatasetOutput, JoinOutput, ModelOutput
from job.text import did_you_mean, quoted

TEMPLATES = 200  # what Argo allows in an object and in a DAG
OBJECT_LIMIT = 1 << 20  # bytes of JSON, which the API server stores
ENTRYPOINT = "workflow"  # the template that is no job

_RENAME = "rename one of them"


def find_problems(context: WorkflowContext) -> tuple[list[CompiledJob], list[Diagnostic]]:
    """The pods of the jobs, without those that can't be compiled, and all problems in the file's order."""
    jobs = list(context.inlined.jobs.values())
    compiled: list[CompiledJob] = []
    problems = [*_check_inputs(context), *_check_names(context, jobs)]
    for job in context.workflow.jobs.values():  # those that have no pod, too
        problems += _check_job(context, job)
    for job in jobs:
        action = job.action
        if isinstance(action, Container | Script) and lacks_command(job, action, context.cluster):
            continue
        for pod in compile_pods(context, job):
            problems += _check_compiled_job(context, pod)
            compiled.append(pod)
    # one problem of `defaults` for all jobs
    unique = {(each.position, each.message): each for each in reversed(problems)}
    return compiled, sorted(unique.values(), key=lambda each: (each.position.line, each.position.column))


def check_size(workflow: Workflow, size: int) -> Diagnostic | None:
    """What is wrong with an object of so many bytes of JSON."""
    if size <= OBJECT_LIMIT:
        return None
    message = f"{size >> 10} KB of JSON, over the 1 MB that Kubernetes stores"
    return _problem(workflow, Position(1, 1), "jobs", message, "put scripts into files of the repository")


def _problem(
    workflow: Workflow, at: Position, key: str, message: str, hint: str, code: str = "local-only"
) -> Diagnostic:
    return Diagnostic(code, CODES[code][0], workflow.path, at, key, message, hint)


def _check_inputs(context: WorkflowContext) -> Iterator[Diagnostic]:
    inputs = context.workflow.inputs
    reserved = [(name, name) for name in (GITHUB_URL, GITHUB_REF)]
    pairs = [(name, parameter_name(name)) for name in inputs]
    for name, other, argo_name in find_clashes([*reserved, *pairs]):
        message = f"the inputs {quoted(name)} and {quoted(other)} are both {quoted(argo_name)} for Argo"
        if other in {GITHUB_URL, GITHUB_REF}:
            message = f"{quoted(argo_name)} is a parameter of every workflow on a cluster"
        yield _problem(context.workflow, inputs[name].at, f"inputs.{name}", message, _RENAME)
    for name, each in inputs.items():
        if isinstance(each.default, str) and (problem := describe_length(each.default)):
            yield _problem(context.workflow, each.at, f"inputs.{name}", problem, LENGTH_HINT)


def _check_names(context: WorkflowContext, jobs: list[Job]) -> Iterator[Diagnostic]:
    by_name = {job.name: job for job in jobs}
    pairs = [(job.name, name) for job in jobs for name in template_names(job)]
    for name, other, argo_name in find_clashes([(ENTRYPOINT, ENTRYPOINT), *pairs]):
        message = f"the jobs {quoted(name)} and {quoted(other)} are both {quoted(argo_name)} for Argo"
        hint = _RENAME
        if argo_name == ENTRYPOINT:
            message, hint = f"{quoted(argo_name)} is the name of the whole workflow for Argo", "rename it"
        yield _problem(context.workflow, by_name[name].at, f"jobs.{name}", message, hint)
    if len(pairs) >= TEMPLATES:
        job = by_name[pairs[TEMPLATES - 1][0]]
        message = f"{len(pairs)} templates for its jobs, and Argo takes {TEMPLATES - 1} in a workflow"
        yield _problem(context.workflow, job.at, f"jobs.{job.name}", message, "split the file")


def _check_job(context: WorkflowContext, job: Job) -> Iterator[Diagnostic]:
    key, cluster = f"jobs.{job.name}", context.cluster
    for name in _list_secrets(job):
        if not is_secret_key(name):
            message = f"{quoted(name)} can't be the name of a secret on a cluster"
            yield _problem(context.workflow, job.at, key, message, "use letters, digits, '.', '_' and '-'")
    if isinstance(job.action, GitCheckout) and is_local(str(job.action.url)):
        message = f"{quoted(str(job.action.url))} is a folder of this machine, which no pod has"
        yield _problem(context.workflow, job.at, key, message, "write the URL of a git host")
    if not isinstance(job.action, Container | Script | Generate):
        return
    instance = job.instance_type or cluster.instance
    if cluster.instances.find(instance) is None:
        hint = did_you_mean(
            instance,
            cluster.instances.names(),
            "add it to the `instances` of the cluster configuration file",
        )
        message = f"the instance type {quoted(instance)} is not in the table"
        yield _problem(context.workflow, job.instance_at or job.at, key, message, hint, "unknown-instance")
    if not isinstance(job.action, Generate) and lacks_command(job, job.action, cluster):
        message = "has a text with '{{' or a control character, and the image's entrypoint is not known here"
        hint = "write `command`, or name the image under `entrypoints` of the cluster configuration file"
        yield _problem(context.workflow, job.at, key, message, hint)


def _list_secrets(job: Job) -> Iterator[str]:
    values = [*job.env.values()]
    match job.action:
        case GitCheckout() as action:
            values += [value for value in (action.username, action.password) if value]
        case S3Download() as action:
            values += [value for value in (action.access_key, action.secret_access_key) if value]
    yield from (value.name for value in values if isinstance(value, Secret))


def _check_compiled_job(context: WorkflowContext, compiled: CompiledJob) -> Iterator[Diagnostic]:
    job = compiled.job
    key = f"jobs.{job.name}"
    if any(len(text.encode("utf-8", "surrogateescape")) >= ARGUMENT_LIMIT for text in compiled.texts()):
        message = (
            f"its script or texts are over {ARGUMENT_LIMIT >> 10} KB, more than a container is started with"
        )
        yield _problem(context.workflow, job.at, key, message, "put them into files of the repository")
    versions = [
        (name, parameter_name(name))
        for name, output in compiled.outputs.items()
        if isinstance(output, DatasetOutput | ModelOutput | JoinOutput)
    ]
    for name, other, argo_name in find_clashes(versions):
        message = f"the outputs {quoted(name)} and {quoted(other)} are both {quoted(argo_name)} for Argo"
        yield _problem(context.workflow, job.outputs[name].at, f"{key}.outputs.{name}", message, _RENAME)
