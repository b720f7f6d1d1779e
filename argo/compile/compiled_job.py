"""What of a job's pod depends on the workflow file: specs, commands and variables, before Hera has them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from argo import kubernetes_names
from argo.compile.cluster_config import ClusterConfig
from argo.compile.environment import GIT_SSH_COMMAND, STORE_ENVIRONMENT, Environment, PodField
from argo.compile.escaping import template_safe_json
from argo.compile.inline_checkouts import InlinedWorkflow, inline_checkouts
from argo.compile.main_container import MainContainer, build_main_container
from argo.compile.origin import FileOrigin
from argo.compile.parameters import Parameters, build_parameters
from argo.compile.specs import Part, build_inputs_spec, build_store_spec
from argo.language.model import Container, Job, Script, Workflow
from job.pod.outputs import Output
from job.pod.spec import NODE_ID, POD, POD_NAMESPACE, POD_UID, SHARD, SPEC, CommitSpec, InputsSpec, StoreSpec
from job.pod.steps import CheckoutStep


@dataclass(frozen=True, slots=True)
class WorkflowContext:
    """What all jobs of a workflow share. `textgen` is this version; `lineage` goes into every version."""

    workflow: Workflow
    inlined: InlinedWorkflow
    cluster: ClusterConfig
    parameters: Parameters
    textgen: str
    lineage: Mapping[str, Any]


def make_context(
    workflow: Workflow, cluster: ClusterConfig, origin: FileOrigin, values: Mapping[str, str]
) -> WorkflowContext:
    """The context of the workflow's jobs. Raises InputError for a value that is not valid."""
    url, ref = workflow.event.url or origin.url, workflow.event.ref or origin.ref
    textgen = version("argo-textgen")
    digest = sha256(workflow.text.encode("utf-8", "surrogateescape")).hexdigest()
    lineage = {
        "workflow": {"name": workflow.name, "file": origin.file, "sha256": digest},
        "runtime": "argo",
        "textgen": textgen,
    }
    parameters = build_parameters(workflow, values, url, ref)
    return WorkflowContext(workflow, inline_checkouts(workflow), cluster, parameters, textgen, lineage)


@dataclass(frozen=True, slots=True)
class CompiledJob:
    """`main` is None if `inputs` does all of the job. The environments are those of textgen's containers,
    and empty for one that the job does not need; `clones`: the first one checks a repository out; `part` is
    "" for a job that has one pod."""

    job: Job
    clones: bool
    main: MainContainer | None
    outputs: Mapping[str, Output]
    inputs_environment: Environment
    store_environment: Environment
    commit_environment: Environment
    part: str = ""

    @property
    def commits_in_main(self) -> bool:
        """Whether `main` runs textgen's own command, which does what elsewhere `commit` does."""
        return self.main is None or bool(self.part)

    @property
    def inputs_name(self) -> str:
        """The name of the container before the job's own."""
        return "checkout" if self.clones else "inputs"

    def texts(self) -> Iterator[str]:
        """Every argument, and every variable with its name, that a container is started with."""
        environments = [self.inputs_environment, self.store_environment, self.commit_environment]
        if self.main:
            yield from (*(self.main.command or ()), *(self.main.args or ()))
            environments.append(self.main.env)
        for environment in environments:
            yield from (f"{name}={value}" for name, value in environment.items() if isinstance(value, str))


def compile_job(context: WorkflowContext, job: Job, part: Part | None = None) -> CompiledJob:
    """The job's containers, as far as the file says what is in them."""
    spec, variables = build_inputs_spec(context.inlined, context.parameters, job, context.textgen, part)
    clones = any(isinstance(step, CheckoutStep) for step in spec.steps.values())
    main = None
    lineage = dict(context.lineage)
    if isinstance(job.action, Container | Script):
        main = build_main_container(job, job.action, context.cluster)
        spec = replace(spec, files=main.files, main=main.stored_command)
        variables = {**variables, **main.variables}
        lineage["image"] = main.image
    elif part and part.image:
        lineage["image"] = part.image
    if clones:
        variables = {**variables, "GIT_SSH_COMMAND": GIT_SSH_COMMAND}
    inputs_environment = _inputs_environment(spec, variables)
    logs = ["checkout" if clones else "inputs"] if inputs_environment else []
    if main:  # else `main` is what `commit` is elsewhere, whose lines `store` has
        logs.append("main")
    store_spec, variables = build_store_spec(
        context.parameters, job, context.textgen, lineage, tuple(logs), part
    )
    index = {SHARD: "{{inputs.parameters.index}}"} if spec.shard else {}
    commit_spec = CommitSpec(context.textgen, job.name)
    return CompiledJob(
        job,
        clones,
        main,
        store_spec.outputs,
        {**inputs_environment, **index},
        {**_store_environment(store_spec, variables), **index},
        {SPEC: template_safe_json(commit_spec.to_json())} if store_spec.outputs else {},
        part.name if part else "",
    )


def _inputs_environment(spec: InputsSpec, variables: Environment) -> Environment:
    if not (spec.steps or spec.folders or spec.files or spec.main):
        return {}
    return {SPEC: template_safe_json(spec.to_json()), **variables, **STORE_ENVIRONMENT}


def _store_environment(spec: StoreSpec, variables: Environment) -> Environment:
    return {
        SPEC: template_safe_json(spec.to_json()),
        **variables,
        **STORE_ENVIRONMENT,
        POD_NAMESPACE: PodField("metadata.namespace"),
        POD: PodField("metadata.name"),
        POD_UID: PodField("metadata.uid"),
        NODE_ID: PodField(f"metadata.annotations['{kubernetes_names.ARGO_NODE_ID}']"),
    }
