"""The networks that a GGUF file can describe: where each tensor goes in transformers', and its shape.

The names and layouts are those that llama.cpp's convert_hf_to_gguf.py writes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from job.generate.models.gguf.file import Array

# The sizes that shapes are made of, by their names here.
Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor goes: transformers' name, the shape in the file, and what to do to it."""

    name: str
    shape: tuple[str, ...]
    change: Callable[[Array, Sizes], Array] | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """An architecture: transformers' name of it, and its tensors: in each layer, and outside.

    biases: what transformers' config calls the presence of these tensors. One that the file lacks is
    zero. norm_key: the key of the norms' epsilon, and what the config calls it.
    """

    model_type: str
    layer: Mapping[str, Place]
    outside: Mapping[str, Place]
    layers: str = "model.layers"
    biases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    norm_key: tuple[str, str] = ("attention.layer_norm_rms_epsilon", "rms_norm_eps")
    free_head_size: bool = True  # a head's size need not be hidden / heads


def _permute_rotary(array: Array, heads: int) -> Array:
    # In the file the two halves that a rotation mixes are beside each other: [heads, half, 2, ...].
    halves = array.reshape(heads, array.shape[0] // heads // 2, 2, *array.shape[1:])
    return halves.swapaxes(1, 2).reshape(array.shape)


def _permute_query(array: Array, sizes: Sizes) -> Array:
    return _permute_rotary(array, sizes["heads"])


def _permute_key(array: Array, sizes: Sizes) -> Array:
    return _permute_rotary(array, sizes["kv_heads"])


def _transpose(array: Array, _: Sizes) -> Array:
    return np.ascontiguousarray(array.T)


def _subtract_one(array: Array, _: Sizes) -> Array:
    # Gemma's norms multiply by 1 + weight; the file has the sum.
    return array - 1


def _norm(name: str, size: str = "hidden") -> Place:
    return Place(name, (size,))


def _gemma_norm(name: str, size: str = "hidden") -> Place:
    return Place(name, (size,), _subtract_one)


_EMBEDDING = {
    "token_embd.weight": Place("model.embed_tokens.weight", ("vocab", "hidden")),
    "output.weight": Place("lm_head.weight", ("vocab", "hidden")),
}
_OUTSIDE = {**_EMBEDDING, "output_norm.weight": _norm("model.norm.weight")}
_ATTENTION = {
    "attn_q.weight": Place("self_attn.q_proj.weight", ("query", "hidden")),
    "attn_k.weight": Place("self_attn.k_proj.weight", ("key", "hidden")),
    "attn_v.weight": Place("self_attn.v_proj.weight", ("key", "hidden")),
    "attn_output.weight": Place("self_attn.o_proj.weight", ("hidden", "query")),
}
_ATTENTION_BIASES = {
    "attn_q.bias": Place("self_attn.q_proj.bias", ("query",)),
    "attn_k.bias": Place("self_attn.k_proj.bias", ("key",)),
    "attn_v.bias": Place("self_attn.v_proj.bias", ("key",)),
    "attn_output.bias": Place("self_attn.o_proj.bias", ("hidden",)),
}
_GATED_MLP = {
    "ffn_gate.weight": Place("mlp.gate_proj.weight", ("inner", "hidden")),
    "ffn_up.weight": Place("mlp.up_proj.weight", ("inner", "hidden")),
    "ffn_down.weight": Place("mlp.down_proj.weight", ("hidden", "inner")),
}
_NORMS = {
    "attn_norm.weight": _norm("input_layernorm.weight"),
    "ffn_norm.weight": _norm("post_attention_layernorm.weight"),
}
_HEAD_NORMS = {
    "attn_q_norm.weight": _norm("self_attn.q_norm.weight", "head"),
    "attn_k_norm.weight": _norm("self_attn.k_norm.weight", "head"),
}

_LLAMA = Family(
    "llama",
    layer={
        **_NORMS,
        **_ATTENTION,
        **_ATTENTION_BIASES,
        **_GATED_MLP,
        "attn_q.weight": Place("self_attn.q_proj.weight", ("query", "hidden"), _permute_query),
        "attn_k.weight": Place("self_attn.k_proj.weight", ("key", "hidden"), _permute_key),
        "attn_q.bias": Place("self_attn.q_proj.bias", ("query",), _permute_query),
        "attn_k.bias": Place("self_attn.k_proj.bias", ("key",), _permute_key),
        "ffn_gate.bias": Place("mlp.gate_proj.bias", ("inner",)),
        "ffn_up.bias": Place("mlp.up_proj.bias", ("inner",)),
        "ffn_down.bias": Place("mlp.down_proj.bias", ("hidden",)),
    },
    outside=_OUTSIDE,
    biases={
        "attention_bias": tuple(_ATTENTION_BIASES),
        "mlp_bias": ("ffn_gate.bias", "ffn_up.bias", "ffn_down.bias"),
    },
)
_QWEN2 = Family(
    "qwen2",
    layer={
        **_NORMS,
        **_ATTENTION,
        **{name: place for name, place in _ATTENTION_BIASES.items() if name != "attn_output.bias"},
        **_GATED_MLP,
    },
    outside=_OUTSIDE,
    free_head_size=False,
)
_QWEN3 = Family(
    "qwen3",
    layer={**_NORMS, **_ATTENTION, **_ATTENTION_BIASES, **_HEAD_NORMS, **_GATED_MLP},
    outside=_OUTSIDE,
    biases={"attention_bias": tuple(_ATTENTION_BIASES)},
)
_PHI3 = Family(
    "phi3",
    layer={
        **_NORMS,
        "attn_qkv.weight": Place("self_attn.qkv_proj.weight", ("query_key_value", "hidden")),
        "attn_output.weight": _ATTENTION["attn_output.weight"],
        "ffn_up.weight": Place("mlp.gate_up_proj.weight", ("twice_inner", "hidden")),
        "ffn_down.weight": _GATED_MLP["ffn_down.weight"],
    },
    outside=_OUTSIDE,
    free_head_size=False,
)
_GEMMA2 = Family(
    "gemma2",
    layer={
        **_ATTENTION,
        **_GATED_MLP,
        "attn_norm.weight": _gemma_norm("input_layernorm.weight"),
        "post_attention_norm.weight": _gemma_norm("post_attention_layernorm.weight"),
        "ffn_norm.weight": _gemma_norm("pre_feedforward_layernorm.weight"),
        "post_ffw_norm.weight": _gemma_norm("post_feedforward_layernorm.weight"),
    },
    outside={**_EMBEDDING, "output_norm.weight": _gemma_norm("model.norm.weight")},
)
_GEMMA3 = Family(
    "gemma3_text",
    layer={
        **_GEMMA2.layer,
        "attn_q_norm.weight": _gemma_norm("self_attn.q_norm.weight", "head"),
        "attn_k_norm.weight": _gemma_norm("self_attn.k_norm.weight", "head"),
    },
    outside=_GEMMA2.outside,
)
_STARCODER2 = Family(
    "starcoder2",
    layer={
        **_NORMS,
        "attn_norm.bias": _norm("input_layernorm.bias"),
        "ffn_norm.bias": _norm("post_attention_layernorm.bias"),
        **_ATTENTION,
        **_ATTENTION_BIASES,
        "ffn_up.weight": Place("mlp.c_fc.weight", ("inner", "hidden")),
        "ffn_up.bias": Place("mlp.c_fc.bias", ("inner",)),
        "ffn_down.weight": Place("mlp.c_proj.weight", ("hidden", "inner")),
        "ffn_down.bias": Place("mlp.c_proj.bias", ("hidden",)),
    },
    outside={**_OUTSIDE, "output_norm.bias": _norm("model.norm.bias")},
    biases={"use_bias": (*_ATTENTION_BIASES, "ffn_up.bias", "ffn_down.bias")},
    norm_key=("attention.layer_norm_epsilon", "norm_epsilon"),
    free_head_size=False,
)
_GPT2 = Family(
    "gpt2",
    layers="transformer.h",
    layer={
        "attn_norm.weight": _norm("ln_1.weight"),
        "attn_norm.bias": _norm("ln_1.bias"),
        "attn_qkv.weight": Place("attn.c_attn.weight", ("query_key_value", "hidden"), _transpose),
        "attn_qkv.bias": Place("attn.c_attn.bias", ("query_key_value",)),
        "attn_output.weight": Place("attn.c_proj.weight", ("hidden", "hidden"), _transpose),
        "attn_output.bias": Place("attn.c_proj.bias", ("hidden",)),
        "ffn_norm.weight": _norm("ln_2.weight"),
        "ffn_norm.bias": _norm("ln_2.bias"),
        "ffn_up.weight": Place("mlp.c_fc.weight", ("inner", "hidden"), _transpose),
        "ffn_up.bias": Place("mlp.c_fc.bias", ("inner",)),
        "ffn_down.weight": Place("mlp.c_proj.weight", ("hidden", "inner"), _transpose),
        "ffn_down.bias": Place("mlp.c_proj.bias", ("hidden",)),
    },
    outside={
        "token_embd.weight": Place("transformer.wte.weight", ("vocab", "hidden")),
        "position_embd.weight": Place("transformer.wpe.weight", ("context", "hidden")),
        "output_norm.weight": _norm("transformer.ln_f.weight"),
        "output_norm.bias": _norm("transformer.ln_f.bias"),
        "output.weight": _EMBEDDING["output.weight"],
    },
    norm_key=("attention.layer_norm_epsilon", "layer_norm_epsilon"),
    free_head_size=False,
)

# By general.architecture. Mistral's files are those of llama.
FAMILIES = {
    "llama": _LLAMA,
    "qwen2": _QWEN2,
    "qwen3": _QWEN3,
    "phi3": _PHI3,
    "gemma2": _GEMMA2,
    "gemma3": _GEMMA3,
    "starcoder2": _STARCODER2,
    "gpt2": _GPT2,
}
