"""What the containers around a job's own are told (job/pod/spec.py has the form)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hera.workflows import models as m

from argo import object_names
from argo.compile import environment
from argo.compile.inline_checkouts import Folded
from argo.compile.names import parameter
from argo.compile.parameters import Parameters
from argo.language.model import (
    CreateModel,
    EventField,
    FromJob,
    FromWorkflow,
    GitCheckout,
    Input,
    Job,
    S3Download,
    Secret,
    SharedVolume,
    Type,
    Value,
    Workflow,
)
from job.datasets.reference import DatasetRef


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one job, and the variables that they refer to."""

    into: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    resolve: list[Any] = field(default_factory=list)
    variables: dict[str, m.EnvVar] = field(default_factory=dict)

    @property
    def clones(self) -> bool:
        """Whether one of them is a checkout."""
        return any("checkout" in step for step in self.into.values())


def of(workflow: Workflow, folded: Folded, parameters: Parameters, job: Job) -> Steps:
    """How the job's inputs and folders are made, and for an action of ours what it does."""
    made = _Maker(workflow, folded, parameters, job, Steps())
    steps = made.steps
    for given in job.inputs.values():
        if not isinstance(given.source, SharedVolume):
            path, step = made.step(given)
            steps.into[path] = step
    steps.folders.extend(
        f"/outputs/{each.name}" for each in job.outputs.values() if each.type is not Type.STRING
    )
    match job.action:
        case GitCheckout() as action:
            steps.into[action.path] = made.checkout(job.name, action)
        case S3Download() as action:
            steps.into[action.path] = made.download(action)
    if any("dataset" in step for step in steps.into.values()):
        steps.resolve.extend(_read(folded, parameters))
    steps.variables.update(environment.parameters([steps.into, steps.resolve]))
    return steps


def outputs(job: Job) -> dict[str, dict[str, Any]]:
    """What of the job is to be kept."""
    found: dict[str, dict[str, Any]] = {}
    for name, each in job.outputs.items():
        if each.dataset:
            found[name] = {"dataset": each.dataset.dataset}
        elif isinstance(job.action, CreateModel):
            found[name] = {"model": {"name": job.action.name, "type": job.action.type}}
        else:
            found[name] = {each.type.value: True}
    if isinstance(job.action, CreateModel) and not found:
        found["model"] = {"model": {"name": job.action.name, "type": job.action.type}}
    return found


@dataclass(frozen=True, slots=True)
class _Maker:
    workflow: Workflow
    folded: Folded
    parameters: Parameters
    job: Job
    steps: Steps

    def step(self, given: Input) -> tuple[str, dict[str, Any]]:
        """Where an input goes, and how it is made."""
        path = f"/inputs/{given.name}"
        match given.source:
            case FromJob(job=producer) if producer in self.folded.checkouts:
                action = self.folded.checkouts[producer]
                below = action.path.removeprefix("/outputs/").partition("/")[2]
                return f"{path}/{below}".rstrip("/"), self.checkout(producer, action)
            case FromJob(job=producer, output=output):
                return path, {"output": [producer, output]}
            case FromWorkflow(input=name) if given.type is Type.DATASET:
                return path, {"dataset": self.parameters.value(parameter(name))}
            case FromWorkflow(input=name):
                return path, self.parameters.value(parameter(name))
            case DatasetRef() as ref:
                return path, {"dataset": str(ref)}
        raise AssertionError(given.source)

    def checkout(self, name: str, action: GitCheckout) -> dict[str, Any]:
        """The repository; the linked one at the push's commit, unless the file says otherwise."""
        linked = action.url is EventField.URL
        ref = (
            object_names.GITHUB_REF
            if action.ref is EventField.REF or (linked and action.ref is None)
            else None
        )
        wanted: dict[str, Any] = {
            "job": name,
            "url": self.parameters.value(object_names.GITHUB_URL) if linked else action.url,
            "ref": self.parameters.value(ref) if ref else action.ref,
        }
        if linked and action.password is None:
            for key in ("username", "password"):
                variable = f"GIT_{key.upper()}"
                self.steps.variables[variable] = environment.secret(
                    variable, object_names.GIT, key, optional=True
                )
                wanted[key] = {"variable": variable}
        else:
            wanted["username"] = self._value(action.username)
            wanted["password"] = self._value(action.password)
        return {"checkout": {key: value for key, value in wanted.items() if value is not None}}

    def download(self, action: S3Download) -> dict[str, Any]:
        """Objects of a bucket."""
        return {
            "s3": {
                "url": action.url,
                "region": action.region,
                "endpoint": action.endpoint,
                "access-key": self._value(action.access_key),
                "secret-access-key": self._value(action.secret_access_key),
            }
        }

    def _value(self, value: Value | None) -> Any:
        if not isinstance(value, Secret):
            return value
        variable = f"SECRET_{value.name}"
        self.steps.variables[variable] = environment.secret(variable, object_names.SECRETS, value.name)
        return {"variable": variable}


def _read(folded: Folded, parameters: Parameters) -> Iterator[Any]:
    """Every reference that the run resolves, the same for all its jobs: whoever is first resolves all."""
    seen: list[Any] = []
    for job in folded.jobs.values():
        for given in job.inputs.values():
            found: Any = None
            if isinstance(given.source, DatasetRef):
                found = str(given.source)
            elif isinstance(given.source, FromWorkflow) and given.type is Type.DATASET:
                found = parameters.value(parameter(given.source.input))
            if found and found not in seen:
                seen.append(found)
    yield from seen
