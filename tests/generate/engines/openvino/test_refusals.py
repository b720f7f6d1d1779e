"""What the engine does not build is refused by its name, and files that do not fit by both sizes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from job.errors import ModelError, UnsupportedError
from job.generate.engines.openvino.architecture import Architecture, read_architecture
from job.generate.engines.openvino.config import Config, read_config
from job.generate.engines.openvino.dtypes import FLOAT32
from job.generate.engines.openvino.families import FAMILIES
from job.generate.engines.openvino.graph import build_graph
from job.generate.engines.openvino.precision import Constants
from job.generate.engines.openvino.safetensors import open_weights

_CONFIG = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
    "max_position_embeddings": 256,
}


def _read(values: Mapping[str, Any]) -> Architecture:
    return read_architecture(Config({**_CONFIG, **values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "mixtral"}, "the openvino engine does not build models of 'mixtral'"),
        ({"architectures": ["LlamaForSequenceClassification"]}, r"does not build \['LlamaForSeq"),
        ({"attention_multiplier": 0.5}, "the openvino engine does not know the key 'attention_multiplier'"),
        ({"auto_map": {"AutoModel": "code.Model"}}, "does not know the key 'auto_map'"),
        ({"quantization_config": {"bits": 4}}, "does not know the key 'quantization_config'"),
        ({"hidden_act": "xielu"}, "the activation 'xielu' is not built"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_type 'dynamic' is not built"),
        ({"rope_parameters": {"rope_type": "default", "turn": 1}}, "rope_parameters: .* know the key 'turn'"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5 is not built"),
        (
            {"model_type": "gemma2", "attn_logit_softcapping": 20.0},
            "attn_logit_softcapping 20.0 is not built",
        ),
        ({"model_type": "gemma2"}, "attn_logit_softcapping 50.0 is not built"),
        (
            {"model_type": "smollm3", "use_sliding_window": True},
            "use_sliding_window True is not built",
        ),
        (
            {"model_type": "phi3", "rope_scaling": {"type": "linear", "factor": 2.0}},
            "type 'linear' is not built",
        ),
        (
            {"model_type": "qwen3", "layer_types": ["full_attention", "chunked"]},
            "layer_types .* are not built",
        ),
        ({"is_decoder": True}, "is_decoder True is not built"),
    ],
)
def test_what_the_table_does_not_hold_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        _read(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden_size": None}, "config.json: has no hidden_size"),
        ({"model_type": "mistral", "num_key_value_heads": None}, "config.json: has no num_key_value_heads"),
        ({"hidden_size": "32"}, "hidden_size must be a whole number, not '32'"),
        ({"vocab_size": 0}, "vocab_size can't be 0"),
        ({"num_key_value_heads": 3}, "4 heads can't share 3 key-value heads"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings must be true or false"),
        ({"rope_scaling": [1]}, r"rope_scaling must be a mapping, not \[1\]"),
        ({"rope_scaling": {"rope_type": "linear"}}, "rope_scaling: has no factor"),
    ],
)
def test_a_config_that_can_not_be_is_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _read(values)


@pytest.mark.parametrize("text", ["[]", "{", "\udcff", "[" * 10_000])
def test_a_config_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, errors="surrogateescape")
    with pytest.raises(ModelError, match=r"config.json: not"):
        read_config(tmp_path)


def test_names_of_older_versions_of_transformers_are_read() -> None:
    old = _read(
        {"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 4.0}, "torch_dtype": "float16"}
    )
    new = _read({"rope_parameters": {"rope_theta": 500.0, "rope_type": "linear", "factor": 4.0}})
    assert _describe(old) == _describe(new)


_SIZES = [
    "model_type",
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "n_embd",
    "n_layer",
    "n_head",
    "n_positions",
    "num_layers",
    "num_heads",
]


@pytest.mark.model
@pytest.mark.parametrize("model_type", FAMILIES)
def test_each_key_that_transformers_writes_is_known_and_has_its_default(model_type: str) -> None:
    from transformers import AutoConfig

    written = AutoConfig.for_model(model_type).to_dict()
    sizes = {name: value for name, value in written.items() if name in _SIZES}
    if model_type == "gemma2":
        written["attn_logit_softcapping"] = sizes["attn_logit_softcapping"] = None
    assert _describe(read_architecture(Config(sizes))) == _describe(read_architecture(Config(written)))


def _describe(architecture: Architecture) -> dict[str, Any]:
    values = {name: getattr(architecture, name) for name in architecture.__slots__}
    values["layers"] = [
        (layer.window, layer.rope and (layer.rope.frequencies.tolist(), layer.rope.factor))
        for layer in architecture.layers
    ]
    return values


def _rewrite(folder: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of a model whose tensors are changed."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, target / "model.safetensors")
    (target / "config.json").write_bytes((folder / "config.json").read_bytes())
    return target


def _build(architecture: Architecture, folder: Path) -> None:
    constants = Constants(FLOAT32)
    build_graph(architecture, dict(open_weights(folder)), str(folder), constants, positions=256, top=8)


_UP = "model.layers.1.mlp.up_proj.weight"


@pytest.mark.model
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.pop(_UP), ModelError, f"the tensor {_UP} is missing"),
        (
            lambda t: t.update({_UP: np.zeros((32, 48), np.float32)}),
            ModelError,
            rf"{_UP} has the shape \[32, 48\], \[48, 32\] by config.json",
        ),
        (
            lambda t: t.update({"model.layers.0.self_attn.q_proj.bias": np.zeros(32, np.float32)}),
            UnsupportedError,
            "does not know the tensor model.layers.0.self_attn.q_proj.bias",
        ),
        (
            lambda t: t.update({_UP: np.zeros((48, 32), np.int8)}),
            UnsupportedError,
            rf"{_UP} is of the type I8",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    llama: Path,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], object],
    error: type[ModelError],
    message: str,
) -> None:
    folder = _rewrite(llama, tmp_path, change)
    with pytest.raises(error, match=message):
        _build(read_architecture(read_config(folder)), folder)


def test_a_head_that_is_not_the_embedding_it_is_tied_to_is_refused(llama: Path) -> None:
    architecture = _read({**json.loads((llama / "config.json").read_text()), "tie_word_embeddings": True})
    with pytest.raises(UnsupportedError, match=r"lm_head\.weight differs from the embedding"):
        _build(architecture, llama)
