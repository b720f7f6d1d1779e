"""Writes a GGUF file of a network, as llama.cpp's convert_hf_to_gguf.py does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.generate.conftest import vocabulary

END = 0  # the token that ends a text


def architecture_of(network: Any) -> str:
    return str(network.config.model_type).removesuffix("_text")


def describe_vocabulary(size: int) -> dict[str, Any]:
    """The keys of the byte-level vocabulary that the tests' models have, filled up to `size` tokens."""
    tokenizer = vocabulary()
    ids = tokenizer.get_vocab()
    tokens = sorted(ids, key=ids.__getitem__)
    tokens += [f"[PAD{id_}]" for id_ in range(len(tokens), size)]
    merges: list[str] = [" ".join(pair) for pair in _learned(tokenizer)["merges"]]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] + [1] * (len(ids) - 1) + [5] * (size - len(ids)),
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.eos_token_id": END,
    }


def _learned(tokenizer: Any) -> dict[str, Any]:
    learned: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return learned


def describe_network(network: Any) -> dict[str, Any]:
    """The keys of the network, without those of its tokenizer."""
    config = network.config
    architecture = architecture_of(network)
    keys: dict[str, Any] = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "attention.head_count": config.num_attention_heads,
    }
    if architecture == "gpt2":
        keys["feed_forward_length"] = config.n_inner or 4 * config.n_embd
        keys["attention.layer_norm_epsilon"] = config.layer_norm_epsilon
    else:
        keys["feed_forward_length"] = config.intermediate_size
        keys["attention.head_count_kv"] = config.num_key_value_heads
        keys |= _describe_rope(config)
    if architecture == "starcoder2":
        keys["attention.layer_norm_epsilon"] = config.norm_epsilon
    elif architecture != "gpt2":
        keys["attention.layer_norm_rms_epsilon"] = config.rms_norm_eps
    if architecture in ("llama", "qwen3", "gemma2", "gemma3"):
        keys["attention.key_length"] = keys["attention.value_length"] = config.head_dim
    if architecture == "llama":
        keys |= {"vocab_size": config.vocab_size, "rope.dimension_count": config.head_dim}
    if architecture in ("gemma2", "gemma3", "phi3") and config.sliding_window is not None:
        keys["attention.sliding_window"] = config.sliding_window
    for name in ("attn_logit_softcapping", "final_logit_softcapping"):
        if (softcap := getattr(config, name, None)) is not None:
            keys[name] = softcap
    general = {"general.architecture": architecture, "general.type": "model", "general.name": "A model"}
    return general | {f"{architecture}.{key}": value for key, value in keys.items()}


def _describe_rope(config: Any) -> dict[str, Any]:
    all_layers = config.rope_parameters
    rope = all_layers.get("full_attention", all_layers)
    keys: dict[str, Any] = {"rope.freq_base": rope["rope_theta"]}
    if sliding := all_layers.get("sliding_attention"):
        keys["rope.freq_base_swa"] = sliding["rope_theta"]
    if config.model_type == "phi3":
        head = config.hidden_size // config.num_attention_heads
        keys["rope.dimension_count"] = int(head * rope["partial_rotary_factor"])
        keys["rope.scaling.original_context_length"] = config.original_max_position_embeddings
        if "attention_factor" in rope:
            keys["rope.scaling.attn_factor"] = rope["attention_factor"]
    elif rope["rope_type"] in ("linear", "yarn"):
        keys |= {"rope.scaling.type": rope["rope_type"], "rope.scaling.factor": rope["factor"]}
    if rope["rope_type"] == "yarn":
        keys["rope.scaling.original_context_length"] = rope["original_max_position_embeddings"]
        names = {
            "attention_factor": "yarn_attn_factor",
            "beta_fast": "yarn_beta_fast",
            "beta_slow": "yarn_beta_slow",
        }
        keys |= {f"rope.scaling.{key}": rope[name] for name, key in names.items() if name in rope}
    return keys


def list_tensors(network: Any) -> dict[str, np.ndarray]:
    """The network's tensors as they lie in a file."""
    config, architecture = network.config, architecture_of(network)
    architectures = {name: each for each, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(architectures[architecture], config.num_hidden_layers)
    tensors = {}
    for name, weight in network.state_dict().items():
        array = weight.detach().float().numpy()
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if architecture == "llama" and ".q_proj." in name:
            array = _permute(array, config.num_attention_heads)
        if architecture == "llama" and ".k_proj." in name:
            array = _permute(array, config.num_key_value_heads)
        if name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")) and architecture == "gpt2":
            array = array.T
        if architecture.startswith("gemma") and name.endswith("norm.weight"):
            array = array + 1
        written = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert written, name
        tensors[written] = np.ascontiguousarray(array)
    for name in ("long", "short"):
        if factors := (getattr(config, "rope_parameters", None) or {}).get(f"{name}_factor"):
            tensors[f"rope_factors_{name}.weight"] = np.array(factors, np.float32)
    if (getattr(config, "rope_parameters", None) or {}).get("rope_type") == "llama3":
        tensors["rope_freqs.weight"] = _llama3_factors(config)
    return tensors


def _permute(array: np.ndarray, heads: int) -> np.ndarray:
    return (
        array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
        .swapaxes(1, 2)
        .reshape(array.shape)
    )


def _llama3_factors(config: Any) -> np.ndarray:
    rope = config.rope_parameters
    frequencies = rope["rope_theta"] ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
    wavelengths = 2 * np.pi / frequencies
    original, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    smooth = np.clip((original / wavelengths - low) / (high - low), 0, 1)
    factors: np.ndarray = 1 / ((1 - smooth) / factor + smooth)
    return factors.astype(np.float32)


def write_gguf(
    path: Path,
    network: Any,
    keys: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray | None] | None = None,
    types: Mapping[str, gguf.GGMLQuantizationType] | None = None,
) -> Path:
    """Write the file. `keys` and `tensors` are added or replaced; None takes one away."""
    written = describe_network(network) | describe_vocabulary(network.config.vocab_size) | dict(keys or {})
    write_file(path, written, {**list_tensors(network), **(tensors or {})}, types or {})
    return path


def write_file(
    path: Path,
    keys: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray | None],
    types: Mapping[str, gguf.GGMLQuantizationType] | None = None,
) -> None:
    """Write a file of these keys and tensors; `types` has those that are not in float32."""
    writer = gguf.GGUFWriter(path, keys.get("general.architecture", "llama"))
    for key, value in keys.items():
        if key == "general.architecture":
            continue  # the writer has written it
        if value is not None:
            _add_key(writer, key, value)
    for name, array in tensors.items():
        if array is None:
            continue
        if type_ := (types or {}).get(name):
            writer.add_tensor(name, gguf.quantize(array, type_), raw_dtype=type_)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_key(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)
