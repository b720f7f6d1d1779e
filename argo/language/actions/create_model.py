"""create-model@v1: a dataset becomes a named model."""

from collections.abc import Mapping
from typing import Any

from argo.language.actions.action import ActionKind, Argument, Call
from argo.language.field import Field
from argo.language.model import CreateModel, Type
from job.text import did_you_mean, quoted

MODEL_TYPES = ("Tensorflow", "ONNX", "Custom")


def model_type(field: Field) -> str | None:
    """One of Gradient's types; another is kept, with a warning."""
    text = field.text()
    if text is not None and text not in MODEL_TYPES:
        hint = did_you_mean(text, MODEL_TYPES)
        field.report("unknown-model-type", f"{quoted(text)} is no type that Gradient had", hint)
    return text


def _build(values: Mapping[str, Any], call: Call) -> CreateModel | None:
    job = call.job
    model = call.inputs.get("model")
    if model is None and "model" in call.input_names:
        return None
    if model is None or model.type is not Type.DATASET:
        hint = "write inputs: {model: {type: dataset, with: {ref: NAME}}}"
        job.report("missing-key", "create-model needs an input `model` that is a dataset", hint, job.name_at)
        return None
    if len(call.outputs) > 1 or any(each.type is not Type.STRING for each in call.outputs.values()):
        hint = "write outputs: {model-id: {type: string}}"
        job.report("bad-target", "create-model has one output, a string for the id", hint, job.name_at)
        return None
    return CreateModel(values["name"], values["type"])


CREATE_MODEL = ActionKind(
    {
        "name": Argument(Field.text, required=True),
        "type": Argument(model_type, required=True),
    },
    _build,
    {
        "model": "write it as the job's input `model`",
        "model-name": "write name",
        "modelVersion": "remove it: every run makes a new version",
    },
)
