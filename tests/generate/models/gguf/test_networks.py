"""A network from a GGUF file computes what the network it was made from computes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from job.errors import ModelError
from job.generate.models.find import find_model
from job.generate.models.gguf.checkpoint import Checkpoint
from job.generate.models.gguf.file import Array
from job.generate.models.limits import read_context_length
from job.generate.models.load import load_model
from tests.generate.models.gguf.conftest import build_config, build_network, compute_logits
from tests.generate.models.gguf.writer import write_gguf

pytestmark = pytest.mark.model

LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 24,
    "rope_theta": 10000.0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_theta": 10000.0,
}
# Four rotary dimensions of the eight of a head.
LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.1, 1.5],
    "long_factor": [2.0, 5.0],
    "rope_theta": 10000.0,
    "partial_rotary_factor": 0.5,
    "original_max_position_embeddings": 24,
    "attention_factor": 1.19,
}
GEMMA = {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 16}

NETWORKS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "llama": ("Llama", {}),
    "llama, tied": ("Llama", {"tie_word_embeddings": True}),
    "llama, all heads": ("Llama", {"num_key_value_heads": 4}),
    "llama, heads of another size": ("Llama", {"head_dim": 12}),
    "llama, biases": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "llama, another base": ("Llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}),
    "llama, linear": ("Llama", {"rope_parameters": LINEAR}),
    "llama, yarn": ("Llama", {"rope_parameters": YARN}),
    "llama, yarn with all of its parameters": (
        "Llama",
        {"rope_parameters": YARN | {"attention_factor": 1.3, "beta_fast": 16.0, "beta_slow": 2.0}},
    ),
    "llama 3.1": ("Llama", {"rope_parameters": LLAMA3, "head_dim": 16}),
    "mistral": ("Mistral", {"sliding_window": None}),
    "qwen2": ("Qwen2", {}),
    "qwen2, yarn": ("Qwen2", {"rope_parameters": YARN}),
    "qwen3": ("Qwen3", {"head_dim": 8}),
    "qwen3, heads of another size": ("Qwen3", {"head_dim": 16, "attention_bias": True}),
    "phi3": ("Phi3", {}),
    "phi3, window": ("Phi3", {"sliding_window": 16}),
    "phi3, 30 of 88 dimensions": (
        "Phi3",
        {
            "hidden_size": 88,
            "num_attention_heads": 1,
            "num_key_value_heads": 1,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 30.5 / 88,
            },
        },
    ),
    "phi3, longrope": ("Phi3", {"rope_parameters": LONGROPE, "original_max_position_embeddings": 24}),
    "gemma2": ("Gemma2", GEMMA),
    "gemma2, other softcaps": (
        "Gemma2",
        {**GEMMA, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 2.0},
    ),
    "gemma3": ("Gemma3Text", {**GEMMA, "num_hidden_layers": 7}),
    "gemma3, linear": (
        "Gemma3Text",
        {
            **GEMMA,
            "num_hidden_layers": 7,
            "rope_parameters": {
                "full_attention": LINEAR,
                "sliding_attention": {"rope_type": "default", "rope_theta": 700.0},
            },
        },
    ),
    "starcoder2": ("Starcoder2", {}),
    "starcoder2, another base": (
        "Starcoder2",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    ),
    "starcoder2, no biases": ("Starcoder2", {"use_bias": False}),
    "gpt2": ("GPT2", {}),
    "gpt2, another inner size": ("GPT2", {"n_inner": 80}),
}


def build(name: str) -> Any:
    family, changed = NETWORKS[name]
    return build_network(build_config(family, **changed))


@pytest.mark.parametrize("left", [1, 0])
def test_a_network_that_is_not_filled_whole_is_refused(
    left: int, small_llama: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_weights(checkpoint: Checkpoint) -> Iterator[tuple[str, Array]]:
        weights = [(name, weight.load()) for name, weight in checkpoint.weights.items()]
        yield from weights[left:]
        if not left:
            yield "model.other.weight", weights[0][1]

    monkeypatch.setattr(Checkpoint, "load_weights", load_weights)
    message = r"small\.gguf: this version of transformers has another network: model\.(embed_tokens|other)"
    with pytest.raises(ModelError, match=message):
        load_model(find_model(str(write_gguf(tmp_path / "small.gguf", small_llama))), "cpu")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_of_a_file_is_the_one_it_was_made_from(name: str, tmp_path: Path) -> None:
    import torch

    network = build(name)
    if name == "mistral":
        network.config.model_type = "llama"  # as llama.cpp has it
    loaded = load_model(find_model(str(write_gguf(tmp_path / "small.gguf", network))), "cpu")
    expected = compute_logits(network)
    torch.testing.assert_close(compute_logits(loaded.network), expected, rtol=1e-5, atol=1e-4)
    assert torch.equal(compute_logits(loaded.network).argmax(-1), expected.argmax(-1))
    assert (loaded.stop_ids, read_context_length(loaded.network.config)) == ((0,), 96)
    assert float(expected.std()) > 0.1, "logits that are all alike would show nothing"
