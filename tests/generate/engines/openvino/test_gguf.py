"""A GGUF file is read without a conversion: the logits are those of the network that it was made from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from job.generate.engines.openvino.architecture import read_architecture
from job.generate.engines.openvino.dtypes import DTYPES
from job.generate.engines.openvino.model_files import open_model
from job.generate.engines.openvino.network import Network
from tests.generate.engines.openvino.conftest import read
from tests.generate.models.gguf.conftest import IDS, build_config, build_network, compute_logits
from tests.generate.models.gguf.test_networks import GEMMA, LLAMA3, LONGROPE, YARN
from tests.generate.models.gguf.writer import write_gguf

pytestmark = pytest.mark.model

_NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "llama, tied, biases": ("Llama", {"tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True}),
    "llama 3.1": ("Llama", {"rope_parameters": LLAMA3, "head_dim": 16}),
    "qwen2, yarn": ("Qwen2", {"rope_parameters": YARN}),
    "qwen3": ("Qwen3", {"head_dim": 16}),
    "phi3": ("Phi3", {"sliding_window": 16}),
    "phi3, longrope": ("Phi3", {"rope_parameters": LONGROPE, "original_max_position_embeddings": 24}),
    "gemma3": ("Gemma3Text", GEMMA),
    "gpt2": ("GPT2", {}),
}


@pytest.mark.parametrize("name", _NETWORKS)
def test_the_logits_are_those_of_the_network_it_was_made_from(name: str, tmp_path: Path) -> None:
    family, changed = _NETWORKS[name]
    network = build_network(build_config(family, **changed))
    file = tmp_path / "model.gguf"
    write_gguf(file, network)
    model = open_model(file)
    architecture = read_architecture(model.config)
    ours = Network(architecture, model.load_tensors(), str(file), blocks=8, positions=96, top=8, threads=2)
    expected = compute_logits(network)[0, -1].numpy()
    tolerance = 1e-5 * np.abs(expected).max()
    logits = read(ours, IDS[0], [48], is_long=0 < architecture.switch < 48)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=max(tolerance, 1e-4))


def test_the_weights_of_a_folder_are_mapped_and_those_of_a_gguf_file_are_not(tmp_path: Path) -> None:
    network = build_network(build_config("Llama"))
    count = sum(parameter.numel() for parameter in network.parameters())
    network.save_pretrained(tmp_path / "folder")
    write_gguf(tmp_path / "model.gguf", network)
    sizes = {
        name: [open_model(tmp_path / name).weights_bytes(dtype) / count for dtype in DTYPES]
        for name in ("folder", "model.gguf")
    }
    assert sizes == {"folder": [4, 4, 2], "model.gguf": [8, 4, 4]}
