"""Everything a run needs to know before its first job starts; what is wrong is said here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from argo import repository
from argo.language import Workflow, bind
from argo.language.model import EventField, FromWorkflow, GitCheckout, Job
from argo.local.project import Project
from argo.local.secrets import Secrets
from argo.local.task import Runtime
from job.datasets import DatasetRef, Datasets, Version
from job.errors import InputError, UnknownReferenceError


@dataclass(frozen=True, slots=True)
class Checkout:
    """What a git-checkout job fetches: a URL at a ref, or, with no URL, the working tree."""

    url: str | None
    ref: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """`root` is the repository that holds the workflow file, None outside of one; `versions` are the
    dataset inputs, resolved once for the run; `checkouts` stand for the git-checkout jobs."""

    workflow: Workflow
    project: Project
    runtime: Runtime
    values: Mapping[str, str | DatasetRef]
    secrets: Secrets
    root: Path | None
    ref: str | None
    datasets: Datasets
    versions: Mapping[DatasetRef, Version]
    checkouts: Mapping[str, Checkout]

    def dataset(self, job: Job, name: str) -> DatasetRef | None:
        """The dataset that input `name` of the job refers to by name, if it does."""
        return _reference(job, name, self.values)


def make(
    workflow: Workflow,
    runtime: Runtime,
    *,
    parameters: Mapping[str, str],
    ref: str | None,
    secrets: Path | None,
) -> Plan:
    """Look everything up. Raises InputError for what is missing."""
    values = bind(workflow, parameters)
    root = repository.find_root(workflow.path.parent)
    project = Project.around(workflow.path.parent if root else Path.cwd())
    if ref and not root:
        raise InputError(f"--ref {ref}: {workflow.path} is in no git repository")
    commit = repository.resolve_commit(root, ref) if root and ref else None
    found = Secrets.of(workflow, secrets, os.environ)
    checkouts = {
        job.name: _checkout(workflow, job, job.action, root, commit)
        for job in workflow.jobs.values()
        if isinstance(job.action, GitCheckout)
    }
    runtime.check()
    datasets = Datasets.at(project.store)
    versions = _versions(workflow, values, datasets)
    return Plan(workflow, project, runtime, values, found, root, commit, datasets, versions, checkouts)


def ancestors(workflow: Workflow, job: Job) -> list[Job]:
    """Every job that ends before this one starts, the nearest first."""
    found: dict[str, Job] = {}
    names = list(job.needs)
    while names:
        name = names.pop(0)
        if name not in found:
            found[name] = workflow.jobs[name]
            names += workflow.jobs[name].needs
    return list(found.values())


def _versions(
    workflow: Workflow, values: Mapping[str, str | DatasetRef], datasets: Datasets
) -> dict[DatasetRef, Version]:
    """What the dataset inputs that no earlier job of the run makes name now."""
    found: dict[DatasetRef, Version] = {}
    for job in workflow.jobs.values():
        for name, given in job.inputs.items():
            reference = _reference(job, name, values)
            if not reference or reference in found:
                continue
            try:
                found[reference] = datasets.resolve(reference)
            except UnknownReferenceError as error:
                where = f"{workflow.path}:{given.at.line}:{given.at.column}: jobs.{job.name}.inputs.{name}"
                raise UnknownReferenceError(f"{where}: {error}") from error
    return found


def _reference(job: Job, name: str, values: Mapping[str, str | DatasetRef]) -> DatasetRef | None:
    given = job.inputs[name].source
    value = values[given.input] if isinstance(given, FromWorkflow) else given
    return value if isinstance(value, DatasetRef) else None


def _checkout(
    workflow: Workflow, job: Job, action: GitCheckout, root: Path | None, commit: str | None
) -> Checkout:
    where = f"{workflow.path}:{job.at.line}: job {job.name!r}"
    origin = repository.remote_url(root) if root else None
    event = workflow.event
    ours = root is not None and (
        action.url is EventField.URL
        or (origin is not None and repository.is_same_repository(action.url, origin))
    )
    if root and ours and (action.ref is None or isinstance(action.ref, EventField)):
        return Checkout(root.as_uri(), commit) if commit else Checkout(None, None)
    from_event = root.as_uri() if root else event.url
    url = from_event if isinstance(action.url, EventField) else action.url
    if url is None:
        raise InputError(
            f"{where} checks out context.event.github.url, and the file is in no git repository; "
            "put it into the repository, or write the URL"
        )
    if not isinstance(action.ref, EventField):
        return Checkout(url, action.ref)
    if event.ref is None:
        raise InputError(
            f"{where} checks out context.event.github.ref of {url}, which is not this repository; "
            "write the commit or branch, or leave `ref` out"
        )
    return Checkout(url, event.ref)
