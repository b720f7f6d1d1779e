"""`inputs` and `outputs`, of the workflow and of its jobs; and the values of a run's inputs."""

from collections.abc import Mapping

from argo.language.field import Field
from argo.language.model import (
    FromJob,
    FromWorkflow,
    Input,
    InputSource,
    Output,
    SharedVolume,
    Type,
    Workflow,
    WorkflowInput,
)
from argo.language.values import NAME, read_dataset, read_literal, read_output_dataset
from job.datasets.reference import DatasetRef
from job.errors import InputError
from job.text import did_you_mean, listed, quoted

WorkflowInputs = Mapping[str, WorkflowInput]
JobOutputs = Mapping[str, Mapping[str, Output]]

_REF_HINTS = dict.fromkeys(("ref", "id"), "write with: {ref: ...}")


def read_workflow_inputs(field: Field) -> dict[str, WorkflowInput]:
    """The top level's `inputs`: each a dataset or a string, with or without a default."""
    inputs: dict[str, WorkflowInput] = {}
    for name, entry in _named_entries(field):
        fields = entry.fields(("type", "with"), {"default": "write with: {value: ...} or with: {ref: ...}"})
        type_ = _read_type(entry, fields, (Type.DATASET, Type.STRING))
        default: str | DatasetRef | None = None
        if type_ is Type.DATASET and "with" in fields:
            default = read_dataset(fields["with"])
        elif type_ is Type.STRING and "with" in fields:
            value = fields["with"].require(fields["with"].fields(("value",)), "value")
            default = read_literal(value) if value else None
        # an input without a type stays known, so that using it is no second error
        inputs[name] = WorkflowInput(name, type_ or Type.STRING, default, entry.key_at)
    return inputs


def read_job_outputs(field: Field) -> dict[str, Output]:
    """A job's `outputs`."""
    outputs: dict[str, Output] = {}
    for name, entry in _named_entries(field):
        fields = entry.fields(("type", "with"), _REF_HINTS)
        type_ = _read_type(entry, fields, tuple(Type))
        dataset = None
        if type_ is Type.DATASET:
            ref = entry.require(fields, "with", "write with: {ref: NAME}")
            dataset = read_output_dataset(ref) if ref else None
        elif type_ and "with" in fields and not fields["with"].null:
            message = f"`with` is not allowed in a {type_} output"
            fields["with"].report("unknown-key", message, "remove it", fields["with"].key_at)
        outputs[name] = Output(name, type_ or Type.VOLUME, dataset, entry.key_at)
    return outputs


def read_job_inputs(
    field: Field, workflow_inputs: WorkflowInputs, outputs: JobOutputs
) -> dict[str, tuple[Input, Field]]:
    """A job's `inputs`, each with its field, for later checks."""
    inputs: dict[str, tuple[Input, Field]] = {}
    for name, entry in _named_entries(field):
        source = _read_source(entry, workflow_inputs, outputs)
        if source is not None:
            type_ = _type_of_source(source, workflow_inputs, outputs)
            inputs[name] = Input(name, type_, source, entry.key_at), entry
    return inputs


def _named_entries(field: Field) -> list[tuple[str, Field]]:
    """The entries whose names can be paths under /inputs or /outputs."""
    entries = field.entries()
    for name, entry in entries.items():
        if not NAME.fullmatch(name):
            hint = "use letters, digits, '.', '_' and '-', at most 63"
            message = f"{quoted(name)} is not a valid name of an input or output"
            entry.report("bad-name", message, hint, entry.key_at)
    return [(name, entry) for name, entry in entries.items() if NAME.fullmatch(name)]


def _read_type(entry: Field, fields: Mapping[str, Field], allowed: tuple[Type, ...]) -> Type | None:
    field = entry.require(dict(fields), "type", f"write type: {', '.join(allowed[:-1])} or {allowed[-1]}")
    text = field.string() if field else None
    if field is None or text is None:
        return None
    if text not in allowed:
        hint = did_you_mean(text, allowed)
        field.report("unknown-type", f"the type {quoted(text)} is not allowed here", hint)
        return None
    return Type(text)


def _read_source(entry: Field, workflow_inputs: WorkflowInputs, outputs: JobOutputs) -> InputSource | None:
    """The source of one input: an expression, a dataset, or the legacy dialect's shared volume."""
    if entry.is_mapping:
        fields = entry.fields(("type", "with"), _REF_HINTS)
        type_ = _read_type(entry, fields, (Type.DATASET, Type.VOLUME))
        if type_ is Type.VOLUME:
            return SharedVolume()
        ref = entry.require(fields, "with", "write with: {ref: NAME}") if type_ else None
        return read_dataset(ref) if ref else None
    text = entry.string()
    if text is None:
        return None
    if text.startswith("workflow.inputs."):
        return _from_workflow(entry, text.removeprefix("workflow.inputs."), workflow_inputs)
    job, dot, output = text.partition(".outputs.")
    if dot and not text.startswith("$"):
        return _from_job(entry, job, output, outputs)
    hint = "write JOB.outputs.NAME, workflow.inputs.NAME, or {type: dataset, with: {ref: ...}}"
    entry.report("bad-expression", f"{quoted(text)} is not a valid input", hint)
    return None


def _from_workflow(entry: Field, name: str, workflow_inputs: WorkflowInputs) -> InputSource | None:
    if name not in workflow_inputs:
        hint = did_you_mean(name, workflow_inputs) or "the file has no `inputs` at its top level"
        entry.report("unknown-input", f"the workflow has no input {quoted(name)}", hint)
        return None
    return FromWorkflow(name)


def _from_job(entry: Field, job: str, output: str, outputs: JobOutputs) -> InputSource | None:
    if job not in outputs:
        entry.report("unknown-job", f"there is no job {quoted(job)}", did_you_mean(job, outputs))
        return None
    if output not in outputs[job]:
        hint = did_you_mean(output, outputs[job], f"declare it under jobs.{job}.outputs")
        entry.report("unknown-output", f"the job {quoted(job)} has no output {quoted(output)}", hint)
        return None
    return FromJob(job, output)


def _type_of_source(source: InputSource, workflow_inputs: WorkflowInputs, outputs: JobOutputs) -> Type:
    match source:
        case FromWorkflow(name):
            return workflow_inputs[name].type
        case FromJob(job, output):
            return outputs[job][output].type
        case SharedVolume():
            return Type.VOLUME
        case _:
            return Type.DATASET


def bind_inputs(workflow: Workflow, parameters: Mapping[str, str]) -> Mapping[str, str | DatasetRef]:
    """The value of every input of `workflow` for one run: from `parameters` (`-p`), or its default.

    Raises InputError as bind_given_inputs does, and for an input that has neither a value nor a default.
    """
    values = bind_given_inputs(workflow, parameters)
    missing = [name for name in workflow.inputs if name not in values]
    if missing:
        hint = f"give it with -p {missing[0]}=VALUE"
        raise InputError(f"{workflow.path}: the workflow needs a value for {listed(missing)}; {hint}")
    return values


def bind_given_inputs(workflow: Workflow, parameters: Mapping[str, str]) -> Mapping[str, str | DatasetRef]:
    """The value of every input that has one, from `parameters` or its default, in the file's order.

    Raises InputError for a parameter that is no input, and a reference that is not valid.
    """
    for name in parameters:
        if name not in workflow.inputs:
            names = f"its inputs are {listed(workflow.inputs)}" if workflow.inputs else "it has no inputs"
            hint = did_you_mean(name, workflow.inputs, names)
            raise InputError(f"{workflow.path}: the workflow has no input {quoted(name)}; {hint}")
    values: dict[str, str | DatasetRef] = {}
    for name, entry in workflow.inputs.items():
        if name in parameters:
            try:
                is_dataset = entry.type is Type.DATASET
                values[name] = DatasetRef.parse(parameters[name]) if is_dataset else parameters[name]
            except InputError as error:
                raise InputError(f"{workflow.path}: input {quoted(name)}: {error}") from None
        elif entry.default is not None:
            values[name] = entry.default
    return values
