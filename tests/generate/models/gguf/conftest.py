"""Small random networks in GGUF files."""

from typing import Any

import pytest

SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 96,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": None,
}
IDS = [[(7 * column + 11 * column**2) % 300 for column in range(48)]]


# What GPT-2 calls some of them; the context is not its own 1024.
GPT2_NAMES = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_positions": "max_position_embeddings",
}


def build_config(family: str, **changed: Any) -> Any:
    """The config of one of transformers' families, small."""
    import transformers

    sizes = dict(SIZES)
    if family == "GPT2":
        sizes = {name: SIZES[other] for name, other in GPT2_NAMES.items()} | {
            "vocab_size": 300,
            "eos_token_id": 0,
        }
    return getattr(transformers, f"{family}Config")(**(sizes | changed))


def build_network(config: Any) -> Any:
    """A random network of `config`, seeded, whose norms and biases are none that could be left out."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if weights.ndim > 1:
                weights.mul_(4)
            else:
                weights.add_(torch.randn_like(weights) / 4)
            assert weights.abs().sum() > 0, name
    return network.eval()


def compute_logits(network: Any) -> Any:
    """Of each of IDS, the logits of the next token: [1, 48, 300]."""
    import torch

    with torch.inference_mode():
        return network(torch.tensor(IDS)).logits


@pytest.fixture(scope="session")
def small_llama() -> Any:
    return build_network(build_config("Llama"))
