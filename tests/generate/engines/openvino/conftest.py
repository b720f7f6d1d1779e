"""Tiny random models of each family, and the networks that are built of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from job.generate.engines.openvino.architecture import read_architecture
from job.generate.engines.openvino.config import read_config
from job.generate.engines.openvino.dtypes import DTYPES, FLOAT32, list_dtypes
from job.generate.engines.openvino.network import Network
from job.generate.engines.openvino.paged_attention import BLOCK, Piece
from job.generate.engines.openvino.safetensors import open_weights

VOCABULARY = 96


def make_model(folder: Path, model_type: str, **values: Any) -> Any:
    """A random model of a family, saved in the folder; its weights are wide apart."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
    }
    if model_type == "gpt2":
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
    elif model_type == "gpt_neo":
        sizes = {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "max_position_embeddings": 256}
        sizes |= {"attention_types": [[["global", "local"], 1]], "window_size": 5}  # type: ignore[dict-item]
    elif model_type == "gpt_neox":
        del sizes["num_key_value_heads"]
    config = AutoConfig.for_model(
        model_type,
        **{
            **sizes,
            "vocab_size": VOCABULARY,
            "pad_token_id": 0,
            "bos_token_id": 0,
            "eos_token_id": 0,
            **values,
        },
    )
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.1)  # biases and norms, too
    model.save_pretrained(folder)
    return model


def open_network(folder: Path, dtype: str = FLOAT32, **options: int) -> Network:
    architecture = read_architecture(read_config(folder))
    options = {"blocks": 64, "positions": 256, "top": 8, "threads": 2} | options
    return Network(architecture, dict(open_weights(folder)), str(folder), dtype=dtype, **options)


def read(
    network: Network, token_ids: Sequence[int], pieces: Sequence[int], *, is_long: bool = False
) -> NDArray[np.float32]:
    """The logits behind the tokens, which are read alone, in pieces of these lengths."""
    past, blocks = 0, range(-(-len(token_ids) // BLOCK))
    for length in pieces:
        logits = network.step([Piece(token_ids[past : past + length], past, blocks, is_long)])
        past += length
    assert past == len(token_ids)
    full: NDArray[np.float32] = logits.full[0].copy()
    return full


@pytest.fixture(scope="session", params=DTYPES)
def dtype(request: pytest.FixtureRequest) -> str:
    """Each dtype that this machine's processor has."""
    dtype: str = request.param
    if dtype not in list_dtypes():
        pytest.skip(f"this processor has no {dtype}")
    return dtype


@pytest.fixture
def token_ids() -> list[int]:
    return [int(token) for token in np.random.default_rng(0).integers(0, VOCABULARY, 70)]


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "llama"
    make_model(folder, "llama")
    return folder


Expected = Callable[[Any, Sequence[int]], NDArray[np.float32]]


def expected_logits(model: Any, token_ids: Sequence[int]) -> NDArray[np.float32]:
    """transformers' logits behind the tokens."""
    import torch

    with torch.inference_mode():
        logits: NDArray[np.float32] = model(torch.tensor([list(token_ids)])).logits[0, -1].numpy()
    return logits
