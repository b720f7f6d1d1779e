"""The specs of a pod's own containers (job.pod.spec), and the variables that the specs refer to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from argo import kubernetes_names
from argo.compile.environment import Environment, SecretKey, parameter_environment
from argo.compile.inline_checkouts import InlinedWorkflow
from argo.compile.names import parameter_name
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
)
from job.datasets.reference import DatasetRef
from job.pod import outputs, spec, values
from job.pod.steps import CheckoutStep, DatasetStep, OutputStep, S3Step, ShardStep, Step


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of pods of a job that has several, and what `store` keeps of it.

    shard: the output that a shard's texts go to; prompts: the dataset that it reads a part of, if it does.
    image: for the lineage, of pods whose own container makes nothing. unread: datasets of the job that other
    pods of it read.
    """

    name: str
    outputs: Mapping[str, outputs.Output]
    shard: str = ""
    prompts: Input | None = None
    image: str = ""
    unread: Sequence[Input] = ()


def build_inputs_spec(
    inlined: InlinedWorkflow, parameters: Parameters, job: Job, textgen: str, part: Part | None = None
) -> tuple[spec.InputsSpec, Environment]:
    """How the job's inputs and folders are made, and for an action of textgen's own what it does."""
    builder = _StepBuilder(inlined, parameters)
    steps = dict(
        builder.input_step(job_input)
        for job_input in job.inputs.values()
        if not isinstance(job_input.source, SharedVolume)
    )
    match job.action:
        case GitCheckout() as action:
            steps[action.path] = builder.checkout_step(job.name, action)
        case S3Download() as action:
            steps[action.path] = builder.s3_step(action)
    folders = tuple(f"{spec.OUTPUTS}/{o.name}" for o in job.outputs.values() if o.type is not Type.STRING)
    shard = builder.shard_step(part) if part and part.shard else None
    unread = {each.name: builder.dataset_step(each) for each in (part.unread if part else ())}
    read = [*steps.values(), *unread.values(), *([shard.prompts] if shard else [])]
    reads_datasets = any(isinstance(step, DatasetStep) for step in read)
    references = tuple(builder.references()) if reads_datasets else ()
    inputs_spec = spec.InputsSpec(textgen, job.name, steps, folders, references, shard=shard, unread=unread)
    return inputs_spec, builder.environment()


def build_store_spec(
    parameters: Parameters,
    job: Job,
    textgen: str,
    lineage: Mapping[str, Any],
    logs: tuple[str, ...],
    part: Part | None = None,
) -> tuple[spec.StoreSpec, Environment]:
    """What of the job is kept; `lineage` goes into every version, `logs` are names of containers."""
    url, ref = (
        parameters.parameter(name) for name in (kubernetes_names.GITHUB_URL, kubernetes_names.GITHUB_REF)
    )
    environment = {**parameter_environment(url.name), **parameter_environment(ref.name)}
    kept = part.outputs if part else dict(_outputs(job))
    store_spec = spec.StoreSpec(textgen, job.name, kept, url, ref, lineage, logs)
    return store_spec, environment


def _outputs(job: Job) -> Iterator[tuple[str, outputs.Output]]:
    model = None
    if isinstance(job.action, CreateModel):
        model = outputs.ModelOutput(job.action.name, job.action.type)
        if not job.outputs:
            yield "model", model
    for name, output in job.outputs.items():
        if output.dataset:
            yield name, outputs.DatasetOutput(output.dataset.dataset)
        elif model:
            yield name, model
        else:
            yield name, outputs.VolumeOutput() if output.type is Type.VOLUME else outputs.StringOutput()


@dataclass(frozen=True, slots=True)
class _StepBuilder:
    """Builds the steps of one job. Collects what they refer to: secrets, and the names of parameters."""

    inlined: InlinedWorkflow
    parameters: Parameters
    secrets: dict[str, SecretKey] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)

    def environment(self) -> Environment:
        """The variables that the steps refer to."""
        environment = dict[str, Any](self.secrets)
        for name in self.names:
            environment |= parameter_environment(name)
        return environment

    def input_step(self, job_input: Input) -> tuple[str, Step]:
        """The path of an input, and how it is made."""
        path = f"{spec.INPUTS}/{job_input.name}"
        match job_input.source:
            case FromJob(job=producer) if producer in self.inlined.checkouts:
                action = self.inlined.checkouts[producer]
                below = action.path.removeprefix("/outputs/").partition("/")[2]
                return f"{path}/{below}".rstrip("/"), self.checkout_step(producer, action)
            case FromJob(job=producer, output=output):
                return path, OutputStep(producer, output)
            case FromWorkflow(input=name) if job_input.type is Type.DATASET:
                return path, DatasetStep(self._parameter(parameter_name(name)))
            case FromWorkflow(input=name):
                return path, self._parameter(parameter_name(name))
            case DatasetRef() as ref:
                return path, DatasetStep(str(ref))
        raise AssertionError(job_input.source)

    def checkout_step(self, name: str, action: GitCheckout) -> CheckoutStep:
        """The repository; the linked one at the push's commit, unless the file says otherwise."""
        linked = action.url is EventField.URL
        url = self._parameter(kubernetes_names.GITHUB_URL) if linked else str(action.url)
        if action.ref is EventField.REF or (linked and action.ref is None):
            ref: values.Value | None = self._parameter(kubernetes_names.GITHUB_REF)
        else:
            ref = action.ref
        if linked and action.password is None:
            keys = (
                self._secret(f"GIT_{key.upper()}", SecretKey(kubernetes_names.GIT, key, optional=True))
                for key in ("username", "password")
            )
            return CheckoutStep(name, url, ref, *keys)
        return CheckoutStep(name, url, ref, self._value(action.username), self._value(action.password))

    def s3_step(self, action: S3Download) -> S3Step:
        """Objects of a bucket."""
        access_key, secret_access_key = self._value(action.access_key), self._value(action.secret_access_key)
        return S3Step(action.url, action.region, action.endpoint, access_key, secret_access_key)

    def shard_step(self, part: Part) -> ShardStep:
        """A shard's rows, and its earlier texts."""
        if part.prompts is None:
            return ShardStep(part.shard)
        return ShardStep(part.shard, part.prompts.name, self.dataset_step(part.prompts))

    def dataset_step(self, job_input: Input) -> DatasetStep | OutputStep:
        """How an input is made that is a dataset."""
        _, step = self.input_step(job_input)
        if not isinstance(step, DatasetStep | OutputStep):
            raise AssertionError(job_input)
        return step

    def references(self) -> Iterator[values.Value]:
        """Every dataset reference of the run, the same for all its jobs: the first one resolves all."""
        references: dict[values.Value, None] = {}
        for job in self.inlined.jobs.values():
            for job_input in job.inputs.values():
                if isinstance(job_input.source, DatasetRef):
                    references[str(job_input.source)] = None
                elif isinstance(job_input.source, FromWorkflow) and job_input.type is Type.DATASET:
                    references[self._parameter(parameter_name(job_input.source.input))] = None
        yield from references

    def _parameter(self, name: str) -> values.Parameter:
        self.names[name] = None
        return self.parameters.parameter(name)

    def _value(self, value: Value | None) -> values.Value | None:
        if not isinstance(value, Secret):
            return value
        return self._secret(f"SECRET_{value.name}", SecretKey(kubernetes_names.SECRETS, value.name))

    def _secret(self, variable: str, key: SecretKey) -> values.Variable:
        self.secrets[variable] = key
        return values.Variable(variable)
