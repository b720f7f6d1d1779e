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
    from transformers import LlamaConfig

    return build_network(LlamaConfig(**SIZES))
