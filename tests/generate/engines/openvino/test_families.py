"""Each family's logits are those of transformers; what the table does not hold is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.generate.engines.openvino.conftest import expected_logits, make_model, open_network, read

pytestmark = pytest.mark.model

_SMALL_ROPE = {"rope_theta": 100.0, "rope_type": "default"}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_theta": 100.0,
}
_YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_theta": 100.0,
}
_LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.1, 1.2, 1.3, 1.5],
    "long_factor": [2.0, 3.0, 4.0, 5.0],
    "rope_theta": 100.0,
}
_GEMMA = {"head_dim": 8, "query_pre_attn_scalar": 16, "sliding_window": 5}
_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "llama, wide heads": ("llama", {"head_dim": 16}),
    "llama, gelu": ("llama", {"hidden_act": "gelu"}),
    "llama, relu": ("llama", {"hidden_act": "relu"}),
    "llama, rope linear": (
        "llama",
        {"rope_parameters": _SMALL_ROPE | {"rope_type": "linear", "factor": 2.0}},
    ),
    "llama, rope llama3": ("llama", {"rope_parameters": _LLAMA3}),
    "llama, rope yarn": ("llama", {"rope_parameters": _YARN}),
    "llama, rope yarn, mscale": (
        "llama",
        {
            "rope_parameters": _YARN
            | {"mscale": 0.7, "mscale_all_dim": 0.5, "truncate": False, "beta_fast": 8.0}
        },
    ),
    "mistral": ("mistral", {"sliding_window": None}),
    "mistral, window": ("mistral", {"sliding_window": 5}),
    "qwen2": ("qwen2", {}),
    "qwen2, window": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    ),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "qwen3 with biases": ("qwen3", {"head_dim": 16, "attention_bias": True}),
    "smollm3": ("smollm3", {"no_rope_layer_interval": 2}),
    "phi3": ("phi3", {}),
    "phi3, partial, window": (
        "phi3",
        {"rope_parameters": _SMALL_ROPE | {"partial_rotary_factor": 0.5}, "sliding_window": 5},
    ),
    "phi3, short texts": ("phi3", {"rope_parameters": _LONGROPE, "original_max_position_embeddings": 70}),
    "phi3, long texts": ("phi3", {"rope_parameters": _LONGROPE, "original_max_position_embeddings": 69}),
    "gemma": ("gemma", {"head_dim": 8}),
    "gemma2": ("gemma2", {**_GEMMA, "attn_logit_softcapping": None, "final_logit_softcapping": 3.0}),
    "gemma3": ("gemma3_text", _GEMMA),
    "gpt2": ("gpt2", {}),
    "gpt2, wide, relu": ("gpt2", {"n_inner": 40, "activation_function": "relu"}),
    "gpt_neo": ("gpt_neo", {}),
    "gpt_neox": ("gpt_neox", {}),
    "gpt_neox, in a row, tied": ("gpt_neox", {"use_parallel_residual": False, "tie_word_embeddings": True}),
}


@pytest.mark.parametrize("name", _MODELS)
def test_the_logits_are_those_of_transformers(name: str, tmp_path: Path, token_ids: list[int]) -> None:
    model_type, values = _MODELS[name]
    model = make_model(tmp_path, model_type, **values)
    network, is_long = open_network(tmp_path), name == "phi3, long texts"
    expected = expected_logits(model, token_ids)
    for pieces in ([70], [50] + [1] * 20):
        logits = read(network, token_ids, pieces, is_long=is_long)
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
