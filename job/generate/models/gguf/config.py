"""A file's keys as transformers' config.json would have them.

What a key means, and what a file without it means, is what llama.cpp makes of it.
"""

import math
from collections.abc import Mapping
from typing import Any

from job.errors import ModelError
from job.generate.models.gguf.families import Family, Sizes
from job.generate.models.gguf.file import Tensor
from job.generate.models.gguf.keys import Keys

# What these families leave out: the layers of the one size whose queries are scaled by hidden / heads.
_LARGEST_GEMMA = {"gemma2": 46, "gemma3_text": 62}

_ROPE_FREQUENCIES = "rope_freqs.weight"
_ROPE_LONG, _ROPE_SHORT = "rope_factors_long.weight", "rope_factors_short.weight"
ROPE_TENSORS = {"llama": (_ROPE_FREQUENCIES, _ROPE_LONG, _ROPE_SHORT), "phi3": (_ROPE_LONG, _ROPE_SHORT)}


def build_config(keys: Keys, tensors: Mapping[str, Tensor], family: Family) -> tuple[dict[str, Any], Sizes]:
    """The config, as AutoConfig.for_model takes it, and the sizes of the network's tensors.

    `keys` are those of the architecture. Raises ModelError: a key is missing or has a value that is not
    read.
    """
    if "token_embd.weight" not in tensors:
        raise ModelError("the tensor token_embd.weight is missing")
    sizes = _read_sizes(keys, tensors["token_embd.weight"].shape[0], family)
    if sizes["layers"] > len(tensors):
        raise ModelError(
            f"the key {keys.prefix}block_count is {sizes['layers']}, and it has {len(tensors)} tensors"
        )
    for key in ("expert_count", "expert_used_count", "pooling_type", "attention.clamp_kqv"):
        keys.expect(key, 0)
    keys.expect("attention.causal", True)
    keys.ignore("tensor_data_layout", "rope.scaling.finetuned")
    norm_key, norm_name = family.norm_key
    config = {
        "model_type": family.model_type,
        "vocab_size": sizes["vocab"],
        "tie_word_embeddings": "output.weight" not in tensors,
        norm_name: keys.require(norm_key, float),
    }
    for name, biases in family.biases.items():
        config[name] = any(tensor.endswith(biases) for tensor in tensors)
    if family.model_type == "gpt2":
        names = {
            "n_positions": "context",
            "n_embd": "hidden",
            "n_layer": "layers",
            "n_head": "heads",
            "n_inner": "inner",
        }
        return config | {name: sizes[size] for name, size in names.items()}, sizes
    config |= {
        "max_position_embeddings": sizes["context"],
        "hidden_size": sizes["hidden"],
        "intermediate_size": sizes["inner"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "num_key_value_heads": sizes["kv_heads"],
    }
    if family.free_head_size:
        config["head_dim"] = sizes["head"]
    rope = _read_rope(keys, tensors, sizes, family.model_type)
    return config | {"rope_parameters": rope} | _read_own(keys, sizes, family.model_type, rope), sizes


def _read_sizes(keys: Keys, vocab: int, family: Family) -> dict[str, int]:
    keys.expect("vocab_size", vocab)
    hidden, heads = keys.require("embedding_length", int), keys.require_equal("attention.head_count")
    if hidden < 1 or heads < 1:
        raise ModelError(f"the keys {keys.prefix}embedding_length and attention.head_count must be above 0")
    rotary = None if family.model_type == "gpt2" else keys.get("rope.dimension_count", int)
    whole_rotary = rotary if family.model_type != "phi3" else None
    head = keys.get("attention.key_length", int) or whole_rotary or hidden // heads
    if not family.free_head_size and head != hidden // heads:
        raise ModelError(f"a head has the size {head}, and {family.model_type} has {hidden // heads}")
    keys.expect("attention.value_length", head)
    if whole_rotary:
        keys.expect("rope.dimension_count", head)
    kv_heads = keys.get_equal("attention.head_count_kv") or heads
    if heads % kv_heads:
        raise ModelError(
            f"{heads} heads (attention.head_count) can't share {kv_heads} (attention.head_count_kv)"
        )
    inner = keys.require_equal("feed_forward_length")
    return {
        "vocab": vocab,
        "context": keys.require("context_length", int),
        "layers": keys.require("block_count", int),
        "hidden": hidden,
        "inner": inner,
        "twice_inner": 2 * inner,
        "heads": heads,
        "kv_heads": kv_heads,
        "head": head,
        "rotary": rotary or head,
        "query": heads * head,
        "key": kv_heads * head,
        "query_key_value": (heads + 2 * kv_heads) * head,
    }


def _read_rope(keys: Keys, tensors: Mapping[str, Tensor], sizes: Sizes, model_type: str) -> dict[str, Any]:
    """How positions turn queries and keys, as transformers' rope_parameters."""
    rope: dict[str, Any] = {
        "rope_type": "default",
        "rope_theta": keys.get("rope.freq_base", float) or 10000.0,
    }
    if model_type == "phi3":
        rope["partial_rotary_factor"] = _divide(sizes["rotary"], sizes["head"])
    scaling = keys.get("rope.scaling.type", str) or "linear"
    factor = keys.get("rope.scaling.factor", float) or keys.get("rope.scale_linear", float) or 1.0
    keys.expect("rope.scaling.type", "none", "linear", "yarn", "longrope")
    original = keys.get("rope.scaling.original_context_length", int) or sizes["context"]
    factors = {
        name: _read_factors(tensors[name], sizes["rotary"])
        for name in ROPE_TENSORS.get(model_type, ())
        if name in tensors
    }
    if factors:
        long, short = (
            factors.get(name) or factors.get(_ROPE_FREQUENCIES) for name in (_ROPE_LONG, _ROPE_SHORT)
        )
        if not long or not short:
            raise ModelError(f"the tensor {_ROPE_SHORT if long else _ROPE_LONG} is missing")
        if scaling == "yarn" or (_ROPE_FREQUENCIES in factors and len(factors) > 1):
            raise ModelError(f"the tensor {min(factors)} goes with no other scaling of positions")
        linear = factor if scaling == "linear" else 1.0
        return rope | {
            "rope_type": "longrope",
            "long_factor": [value * linear for value in long],
            "short_factor": [value * linear for value in short],
            "original_max_position_embeddings": original,
            "attention_factor": keys.get("rope.scaling.attn_factor", float) or 1.0,
        }
    keys.expect("rope.scaling.attn_factor", 1.0)
    if scaling == "longrope":
        raise ModelError(
            f"the tensor {_ROPE_LONG} is missing, and {keys.prefix}rope.scaling.type is longrope"
        )
    if model_type == "phi3" and scaling != "none":  # it scales by factors alone
        keys.expect("rope.scaling.type", "linear")
        keys.expect("rope.scaling.factor", 1.0)
        keys.expect("rope.scale_linear", 1.0)
    if scaling == "yarn":
        return rope | _read_yarn(keys, factor, original)
    return rope | ({"rope_type": "linear", "factor": factor} if scaling == "linear" and factor != 1 else {})


def _divide(part: int, whole: int) -> float:
    """The fraction that transformers multiplies by `whole` and cuts to `part`."""
    fraction = part / whole
    return fraction if int(whole * fraction) == part else math.nextafter(fraction, math.inf)


def _read_yarn(keys: Keys, factor: float, original: int) -> dict[str, Any]:
    keys.expect("rope.scaling.yarn_ext_factor", 1.0)
    keys.expect("rope.scaling.yarn_log_multiplier", 0.0)
    names = {
        "attention_factor": "yarn_attn_factor",
        "beta_fast": "yarn_beta_fast",
        "beta_slow": "yarn_beta_slow",
    }
    values = {name: keys.get(f"rope.scaling.{key}", float) for name, key in names.items()}
    return {
        "rope_type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": original,
        **{name: value for name, value in values.items() if value is not None},
    }


def _read_factors(tensor: Tensor, rotary: int) -> list[float]:
    if tensor.shape != (rotary // 2,):
        raise ModelError(f"the tensor {tensor.name} is {list(tensor.shape)}, and must be [{rotary // 2}]")
    return list(tensor.dequantize().tolist())


def _read_own(keys: Keys, sizes: Sizes, model_type: str, rope: dict[str, Any]) -> dict[str, Any]:
    """What is the family's own in the config."""
    if model_type in ("phi3", "starcoder2"):
        config: dict[str, Any] = {"sliding_window": keys.get("attention.sliding_window", int) or None}
        if "original_max_position_embeddings" in rope:
            config["original_max_position_embeddings"] = rope["original_max_position_embeddings"]
        return config
    if model_type not in _LARGEST_GEMMA:
        return {}
    is_largest = sizes["layers"] == _LARGEST_GEMMA[model_type]
    config = {"query_pre_attn_scalar": sizes["hidden"] // sizes["heads"] if is_largest else sizes["head"]}
    final = keys.get("final_logit_softcapping", float)
    if model_type == "gemma2":
        attention = keys.get("attn_logit_softcapping", float)
        window = keys.get("attention.sliding_window", int) or 4096
        return config | {
            "attn_logit_softcapping": 50.0 if attention is None else attention or None,
            "final_logit_softcapping": 30.0 if final is None else final or None,
            "sliding_window": window,
            "layer_types": _read_layer_types(keys, sizes["layers"], 2),
        }
    window = keys.get("attention.sliding_window", int) or 0
    local = keys.get("rope.freq_base_swa", float) or 10000.0
    layer_types = (
        _read_layer_types(keys, sizes["layers"], 6) if window else ["full_attention"] * sizes["layers"]
    )
    return config | {
        "final_logit_softcapping": final or None,
        "sliding_window": window or sizes["context"],
        "layer_types": layer_types,
        "rope_parameters": {
            "full_attention": rope,
            "sliding_attention": {"rope_type": "default", "rope_theta": local},
        },
    }


def _read_layer_types(keys: Keys, layers: int, every: int) -> list[str]:
    """Of each layer, if it sees a window or all: by default each layer but every n-th sees a window."""
    key = "attention.sliding_window_pattern"
    pattern = keys.values.get(keys.prefix + key)
    if isinstance(pattern, list):
        keys.get(key, list)
        if len(pattern) < layers:
            raise ModelError(f"the key {keys.prefix}{key} has {len(pattern)} values for {layers} layers")
        sliding = [bool(value) for value in pattern[:layers]]
    else:
        every = keys.get(key, int) or every
        sliding = [(layer + 1) % every != 0 for layer in range(layers)]
    return ["sliding_attention" if value else "full_attention" for value in sliding]
