"""The plan of a run, with all that is settled before its first job starts, and the state of its jobs."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from argo import repository
from argo.language import Workflow, bind_inputs
from argo.language.generation import set_shards
from argo.language.model import EventField, FromWorkflow, GitCheckout, Job
from argo.local.environment import Environment, choose_environment
from argo.local.model_cache import model_mounts
from argo.local.run_folder import Project, Run
from argo.local.runtime import Mount, Runtime
from argo.local.saved_plan import SavedPlan
from argo.local.secrets import Secrets, load_secrets
from argo.repository import CodeVersion
from job.checkout.git import is_local, local_path
from job.datasets import DatasetRef, Datasets, Version
from job.errors import InputError, UnknownReferenceError


@dataclass(frozen=True, slots=True)
class Checkout:
    """What a git-checkout job fetches: a URL at a ref, or, with no URL, the working tree."""

    url: str | None
    ref: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """`root` is the repository that holds the workflow file, None outside of one, and `branch` what is run of
    it, if it is one; `versions` are the dataset inputs, resolved once for the run; `checkouts` those of the
    git-checkout jobs. `env` are the variables that the user named, and `shards` the number in place of the
    file's; `secrets_file` is the file of secrets, if there is one. `models` are those of this machine that
    the user named."""

    workflow: Workflow
    project: Project
    runtime: Runtime
    values: Mapping[str, str | DatasetRef]
    secrets: Secrets
    secrets_file: Path | None
    environment: Environment
    env: tuple[str, ...]
    shards: int | None
    root: Path | None
    ref: str | None
    branch: str
    datasets: Datasets
    versions: Mapping[DatasetRef, Version]
    checkouts: Mapping[str, Checkout]
    models: tuple[Mount, ...]

    @property
    def exposed_secrets(self) -> Path | None:
        """The file of secrets, if git has it or would add it to the repository."""
        file = self.secrets_file
        return file if file and self.root and repository.may_be_committed(self.root, file) else None

    def dataset(self, job: Job, name: str) -> DatasetRef | None:
        """The dataset that input `name` of the job refers to by name, if it does."""
        return _reference(job, name, self.values)


@dataclass(slots=True)
class RunState:
    """What the run's earlier jobs leave for the later ones: the `versions` they made, by job and output,
    and the commits of their `checkouts`. `code` is the version of the repository's code, if there is one."""

    plan: Plan
    run: Run
    code: CodeVersion | None = None
    versions: dict[tuple[str, str], Version] = field(default_factory=dict)
    checkouts: dict[str, Mapping[str, object]] = field(default_factory=dict)


def make_plan(
    workflow: Workflow,
    runtime: Runtime,
    *,
    parameters: Mapping[str, str],
    ref: str | None,
    secrets: Path | None,
    env: Collection[str] = (),
    shards: int | None = None,
    saved: SavedPlan | None = None,
    project: Project | None = None,
) -> Plan:
    """Resolve everything that the run needs. `env` are names of this machine's variables that all jobs get,
    `shards` how many each generate@v1 job has in place of the file's.

    A retry gives the plan that was `saved` and the `project`: what was resolved then is not resolved again.
    Raises InputError for what is missing.
    """
    if shards:
        workflow = set_shards(workflow, shards)
    values = bind_inputs(workflow, parameters)
    root = repository.find_root(workflow.path.parent)
    project = project or Project.find(workflow.path.parent if root else Path.cwd())
    if ref and not root:
        raise InputError(f"--ref {ref}: {workflow.path} is in no git repository")
    commit = repository.resolve_commit(root, ref) if root and ref else None
    commit = saved.ref if saved else commit
    secret_values = load_secrets(workflow, secrets, os.environ, env)
    environment = choose_environment(os.environ, runtime.inherited, env, secret_values)
    checkouts = {
        job.name: _checkout(workflow, job, job.action, root, commit)
        for job in workflow.jobs.values()
        if isinstance(job.action, GitCheckout)
    }
    runtime.check()
    datasets = Datasets.at(saved.store if saved else project.store_url)
    versions = _versions(workflow, values, datasets, saved.versions if saved else {})
    return Plan(
        workflow,
        project,
        runtime,
        values,
        secret_values,
        secrets.resolve() if secrets else None,
        environment,
        tuple(env),
        shards,
        root,
        commit,
        repository.find_branch(root, ref) if root else "",
        datasets,
        versions,
        checkouts,
        model_mounts(parameters, project.home),
    )


def _versions(
    workflow: Workflow,
    values: Mapping[str, str | DatasetRef],
    datasets: Datasets,
    resolved: Mapping[DatasetRef, DatasetRef],
) -> dict[DatasetRef, Version]:
    """The versions of the dataset inputs that no earlier job of the run makes: the current ones, unless they
    are `resolved`."""
    versions: dict[DatasetRef, Version] = {}
    for job in workflow.jobs.values():
        for name, entry in job.inputs.items():
            reference = _reference(job, name, values)
            if not reference or reference in versions:
                continue
            try:
                versions[reference] = datasets.resolve(resolved.get(reference, reference))
            except UnknownReferenceError as error:
                location = f"{workflow.path}:{entry.at.line}:{entry.at.column}: jobs.{job.name}.inputs.{name}"
                raise UnknownReferenceError(f"{location}: {error}") from error
    return versions


def _reference(job: Job, name: str, values: Mapping[str, str | DatasetRef]) -> DatasetRef | None:
    source = job.inputs[name].source
    value = values[source.input] if isinstance(source, FromWorkflow) else source
    return value if isinstance(value, DatasetRef) else None


def _checkout(
    workflow: Workflow, job: Job, action: GitCheckout, root: Path | None, commit: str | None
) -> Checkout:
    location = f"{workflow.path}:{job.at.line}: job {job.name!r}"
    origin = repository.remote_url(root) if root else None
    event = workflow.event
    is_this_repository = root is not None and (
        action.url is EventField.URL
        or (origin is not None and repository.is_same_repository(action.url, origin))
    )
    if root and is_this_repository and (action.ref is None or isinstance(action.ref, EventField)):
        return Checkout(root.as_uri(), commit) if commit else Checkout(None, None)
    event_url = root.as_uri() if root else event.url
    url = event_url if isinstance(action.url, EventField) else action.url
    if url is not None and is_local(url):
        # not below `root` either: a folder there may be a repository made of another's objects
        if not root or local_path(url) != root.resolve():
            raise InputError(
                f"{location} checks out {url}, a folder of this machine that is not this repository; "
                "write its https or ssh URL"
            )
        url = root.as_uri()
    if url is None:
        raise InputError(
            f"{location} checks out context.event.github.url, and the file is in no git repository; "
            "put it into the repository, or write the URL"
        )
    if not isinstance(action.ref, EventField):
        return Checkout(url, action.ref)
    if event.ref is None:
        raise InputError(
            f"{location} checks out context.event.github.ref of {url}, which is not this repository; "
            "write the commit or branch, or remove `ref`"
        )
    return Checkout(url, event.ref)
