"""`inputs` and `outputs`, of the workflow and of its jobs."""

from collections.abc import Mapping

from argo.language.field import Field
from argo.language.model import (
    FromJob,
    FromWorkflow,
    Input,
    Output,
    SharedVolume,
    Source,
    Type,
    WorkflowInput,
)
from argo.language.values import NAME, dataset, dataset_to_write, literal
from job.datasets.reference import DatasetRef
from job.text import did_you_mean, quoted

Outputs = Mapping[str, Mapping[str, Output]]


def workflow_inputs(field: Field) -> dict[str, WorkflowInput]:
    """The top level's `inputs`: each a dataset or a string, with or without a default."""
    found: dict[str, WorkflowInput] = {}
    for name, entry in _named(field):
        fields = entry.fields(("type", "with"), {"default": "write with: {value: ...} or with: {ref: ...}"})
        kind = _type(entry, fields, (Type.DATASET, Type.STRING))
        default: str | DatasetRef | None = None
        if kind is Type.DATASET and "with" in fields:
            default = dataset(fields["with"])
        elif kind is Type.STRING and "with" in fields:
            value = fields["with"].require(fields["with"].fields(("value",)), "value")
            default = literal(value) if value else None
        # one without a type stays known, so that using it is no second error
        found[name] = WorkflowInput(name, kind or Type.STRING, default, entry.name_at)
    return found


def job_outputs(field: Field) -> dict[str, Output]:
    """A job's `outputs`; a dataset's is created if it is not there."""
    found: dict[str, Output] = {}
    for name, entry in _named(field):
        fields = entry.fields(
            ("type", "with"), {"ref": "write with: {ref: ...}", "id": "write with: {ref: ...}"}
        )
        kind = _type(entry, fields, tuple(Type))
        ref = None
        if kind is Type.DATASET:
            given = entry.require(fields, "with", "write with: {ref: NAME}")
            ref = dataset_to_write(given) if given else None
        elif kind and "with" in fields and not fields["with"].null:
            message = f"a {kind} output takes no `with`"
            fields["with"].report("unknown-key", message, "remove it", fields["with"].name_at)
        found[name] = Output(name, kind or Type.VOLUME, ref, entry.name_at)
    return found


def job_inputs(
    field: Field, given: Mapping[str, WorkflowInput], outputs: Outputs
) -> dict[str, tuple[Input, Field]]:
    """A job's `inputs`, each with the field that a later check reports at."""
    found: dict[str, tuple[Input, Field]] = {}
    for name, entry in _named(field):
        source = _source(entry, given, outputs)
        if source is not None:
            kind = _kind(source, given, outputs)
            found[name] = Input(name, kind, source, entry.name_at), entry
    return found


def _named(field: Field) -> list[tuple[str, Field]]:
    """The entries whose names can be paths under /inputs or /outputs."""
    entries = field.entries()
    for name, entry in entries.items():
        if not NAME.fullmatch(name):
            hint = "use letters, digits, '.', '_' and '-', at most 63"
            entry.report("bad-name", f"{quoted(name)} can't name an input or output", hint, entry.name_at)
    return [(name, entry) for name, entry in entries.items() if NAME.fullmatch(name)]


def _type(entry: Field, fields: Mapping[str, Field], allowed: tuple[Type, ...]) -> Type | None:
    given = entry.require(dict(fields), "type", f"write type: {', '.join(allowed[:-1])} or {allowed[-1]}")
    text = given.text() if given else None
    if given is None or text is None:
        return None
    if text not in allowed:
        hint = did_you_mean(text, allowed)
        given.report("unknown-type", f"{quoted(text)} is no type that can stand here", hint)
        return None
    return Type(text)


def _source(entry: Field, given: Mapping[str, WorkflowInput], outputs: Outputs) -> Source | None:
    """What one input stands for: an alias, a dataset, or the legacy dialect's shared volume."""
    if entry.is_map:
        fields = entry.fields(
            ("type", "with"), {"ref": "write with: {ref: ...}", "id": "write with: {ref: ...}"}
        )
        kind = _type(entry, fields, (Type.DATASET, Type.VOLUME))
        if kind is Type.VOLUME:
            return SharedVolume()
        ref = entry.require(fields, "with", "write with: {ref: NAME}") if kind else None
        return dataset(ref) if ref else None
    text = entry.text()
    if text is None:
        return None
    if text.startswith("workflow.inputs."):
        return _from_workflow(entry, text.removeprefix("workflow.inputs."), given)
    job, dot, output = text.partition(".outputs.")
    if dot and not text.startswith("$"):
        return _from_job(entry, job, output, outputs)
    hint = "write JOB.outputs.NAME, workflow.inputs.NAME, or a map with type: dataset and with: {ref: ...}"
    entry.report("bad-expression", f"{quoted(text)} is nothing that an input can stand for", hint)
    return None


def _from_workflow(entry: Field, name: str, given: Mapping[str, WorkflowInput]) -> Source | None:
    if name not in given:
        hint = did_you_mean(name, given, "the file has no `inputs` at its top level")
        entry.report("unknown-input", f"the workflow has no input {quoted(name)}", hint)
        return None
    return FromWorkflow(name)


def _from_job(entry: Field, job: str, output: str, outputs: Outputs) -> Source | None:
    if job not in outputs:
        entry.report("unknown-job", f"there is no job {quoted(job)}", did_you_mean(job, outputs))
        return None
    if output not in outputs[job]:
        hint = did_you_mean(output, outputs[job], f"declare it under jobs.{job}.outputs")
        entry.report("unknown-output", f"the job {quoted(job)} has no output {quoted(output)}", hint)
        return None
    return FromJob(job, output)


def _kind(source: Source, given: Mapping[str, WorkflowInput], outputs: Outputs) -> Type:
    match source:
        case FromWorkflow(name):
            return given[name].type
        case FromJob(job, output):
            return outputs[job][output].type
        case SharedVolume():
            return Type.VOLUME
        case _:
            return Type.DATASET
