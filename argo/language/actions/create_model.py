"""create-model@v1: a dataset becomes a named model."""

from collections.abc import Mapping
from typing import Any

from argo.language.actions.action import ActionKind, Argument, Call
from argo.language.field import Field
from argo.language.model import CreateModel, Type
from argo.language.values import check_no_version, parse_dataset
from job.text import did_you_mean, quoted

MODEL_TYPES = ("Tensorflow", "ONNX", "Custom")


def read_model_type(field: Field) -> str | None:
    """One of Gradient's types; another is kept, with a warning."""
    text = field.string()
    if text is not None and text not in MODEL_TYPES:
        hint = did_you_mean(text, MODEL_TYPES)
        field.report("unknown-model-type", f"Gradient had no model type {quoted(text)}", hint)
    return text


def read_model_name(field: Field) -> str | None:
    """The name of the dataset that holds the model's versions."""
    text = field.string()
    ref = parse_dataset(field, text) if text is not None else None
    ref = check_no_version(field, ref, f"name: {ref.dataset}") if ref else None
    return ref.dataset if ref else None


def _build(values: Mapping[str, Any], call: Call) -> CreateModel | None:
    job = call.job
    model = call.inputs.get("model")
    if model is None and "model" in call.input_names:
        return None
    if model is None or model.type is not Type.DATASET:
        hint = "write inputs: {model: {type: dataset, with: {ref: NAME}}}"
        job.report("missing-key", "create-model needs an input `model` that is a dataset", hint, job.key_at)
        return None
    if len(call.outputs) > 1 or any(output.type is not Type.STRING for output in call.outputs.values()):
        hint = "write outputs: {model-id: {type: string}}"
        job.report("bad-target", "create-model has one output, a string with the id", hint, job.key_at)
        return None
    return CreateModel(values["name"], values["type"])


CREATE_MODEL = ActionKind(
    {
        "name": Argument(read_model_name, required=True),
        "type": Argument(read_model_type, required=True),
    },
    _build,
    {
        "model": "write it as the job's input `model`",
        "model-name": "write name",
        "modelVersion": "remove it: every run makes a new version",
    },
)
