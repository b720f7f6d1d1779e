"""Which networks this engine builds: a table of how each family differs from Llama.

Checked against the models of transformers. What the table does not hold is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from job.generate.engines.openvino.config import Config
from job.generate.engines.openvino.layers import (
    gemma_windows,
    read_gemma3_ropes,
    read_gpt_neo_windows,
    read_one_rope,
    read_phi3_ropes,
    read_qwen_windows,
    read_smollm3_ropes,
    read_smollm3_windows,
    window_everywhere,
)
from job.generate.engines.openvino.rope import Rope

_LLAMA = {
    "embedding": "embed_tokens",
    "norm": "norm",
    "attention_norm": "layers.{}.input_layernorm",
    "q": "layers.{}.self_attn.q_proj",
    "k": "layers.{}.self_attn.k_proj",
    "v": "layers.{}.self_attn.v_proj",
    "o": "layers.{}.self_attn.o_proj",
    "q_norm": "layers.{}.self_attn.q_norm",
    "k_norm": "layers.{}.self_attn.k_norm",
    "mlp_norm": "layers.{}.post_attention_layernorm",
    "gate": "layers.{}.mlp.gate_proj",
    "up": "layers.{}.mlp.up_proj",
    "down": "layers.{}.mlp.down_proj",
}
_GEMMA_NORMS = {
    "attention_post_norm": "layers.{}.post_attention_layernorm",
    "mlp_norm": "layers.{}.pre_feedforward_layernorm",
    "mlp_post_norm": "layers.{}.post_feedforward_layernorm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How a family differs from Llama, whose values are the defaults.

    Of a tuple (key, default) the value is the key's in config.json, or the default if it is not there.
    """

    architecture: str
    # Tensors: the names of the parts, and how q, k and v (or gate and up) are stored
    prefix: str = "model."
    head: str = "lm_head"
    names: Mapping[str, str] = field(default_factory=lambda: _LLAMA)
    qkv: str = "apart"  # or in one tensor: "stacked", or "by head"
    gate_up: str = "apart"
    transposed: bool = False  # weights are [in, out]
    unused: tuple[str, ...] = ("*.rotary_emb.inv_freq",)
    tied: bool = False
    # config.json's names of what all families have
    keys: Mapping[str, str] = field(default_factory=dict)
    # The network
    norm: str = "rms"  # or "layer"
    norm_offset: float = 0.0
    eps: tuple[str, float] = ("rms_norm_eps", 1e-6)
    activation: tuple[str, str] = ("hidden_act", "silu")
    gated: bool = True
    qk_norm: bool = False
    post_norms: bool = False
    learned_positions: bool = False
    parallel: tuple[str, bool] | None = None  # attention and MLP side by side
    biases: Mapping[str, bool | tuple[str, bool]] = field(default_factory=dict)  # of "qkv", "o", "mlp"
    scaled_embedding: bool = False
    scale: Callable[[Config, int], float] = lambda _, head_size: head_size**-0.5  # by head size
    windows: Callable[[Config, int], list[int]] = lambda _, layers: [0] * layers  # by layers
    ropes: Callable[[Config, int, int], list[Rope | None]] = read_one_rope  # by layers, head size
    expect: Mapping[str, object] = field(default_factory=dict)  # keys that are built for one value only
    # Of keys that are not there; null has no effect
    head_size: int | None = None  # else hidden_size / heads
    kv_heads: bool = False  # as many as heads; else they have to be there
    attention_softcap: float = 0.0
    softcap: float = 0.0


def _query_scale(config: Config, _: int) -> float:
    return float(config.number("query_pre_attn_scalar", 256.0) ** -0.5)


def _gpt2_scale(config: Config, head_size: int) -> float:
    return float(head_size**-0.5) if config.boolean("scale_attn_weights", True) else 1.0


_GPT2_KEYS = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "intermediate_size": "n_inner",
    "max_position_embeddings": "n_positions",
}
_GPT_NEO_KEYS = {"num_hidden_layers": "num_layers", "num_attention_heads": "num_heads"}
_GPT_MASKS = ("*.attn.bias", "*.attn.masked_bias", "*.attention.bias", "*.attention.masked_bias")

FAMILIES: Mapping[str, Family] = {
    "llama": Family(
        architecture="LlamaForCausalLM",
        kv_heads=True,
        biases={
            "qkv": ("attention_bias", False),
            "o": ("attention_bias", False),
            "mlp": ("mlp_bias", False),
        },
    ),
    "mistral": Family(architecture="MistralForCausalLM", windows=window_everywhere(4096)),
    "qwen2": Family(architecture="Qwen2ForCausalLM", biases={"qkv": True}, windows=read_qwen_windows),
    "qwen3": Family(
        architecture="Qwen3ForCausalLM",
        biases={"qkv": ("attention_bias", False), "o": ("attention_bias", False)},
        qk_norm=True,
        windows=read_qwen_windows,
        head_size=128,
    ),
    "smollm3": Family(
        architecture="SmolLM3ForCausalLM",
        biases={
            "qkv": ("attention_bias", False),
            "o": ("attention_bias", False),
            "mlp": ("mlp_bias", False),
        },
        tied=True,
        windows=read_smollm3_windows,
        ropes=read_smollm3_ropes,
    ),
    "phi3": Family(
        architecture="Phi3ForCausalLM",
        kv_heads=True,
        names={
            **{part: name for part, name in _LLAMA.items() if part not in {"q", "k", "v", "gate", "up"}},
            "qkv": "layers.{}.self_attn.qkv_proj",
            "gate_up": "layers.{}.mlp.gate_up_proj",
        },
        qkv="stacked",
        gate_up="stacked",
        eps=("rms_norm_eps", 1e-5),
        windows=window_everywhere(0),
        ropes=read_phi3_ropes,
    ),
    "gemma": Family(
        architecture="GemmaForCausalLM",
        norm_offset=1.0,
        activation=("hidden_act", "gelu_pytorch_tanh"),
        tied=True,
        scaled_embedding=True,
        biases={"qkv": ("attention_bias", False), "o": ("attention_bias", False)},
        head_size=256,
        expect={"use_bidirectional_attention": False},
    ),
    "gemma2": Family(
        architecture="Gemma2ForCausalLM",
        names=_LLAMA | _GEMMA_NORMS,
        norm_offset=1.0,
        activation=("hidden_activation", "gelu_pytorch_tanh"),
        tied=True,
        scaled_embedding=True,
        post_norms=True,
        biases={"qkv": ("attention_bias", False), "o": ("attention_bias", False)},
        scale=_query_scale,
        windows=gemma_windows(2),
        attention_softcap=50.0,
        softcap=30.0,
        head_size=256,
        expect={"use_bidirectional_attention": False},
    ),
    "gemma3_text": Family(
        architecture="Gemma3ForCausalLM",
        names=_LLAMA | _GEMMA_NORMS,
        norm_offset=1.0,
        activation=("hidden_activation", "gelu_pytorch_tanh"),
        tied=True,
        scaled_embedding=True,
        qk_norm=True,
        post_norms=True,
        biases={"qkv": ("attention_bias", False), "o": ("attention_bias", False)},
        scale=_query_scale,
        windows=gemma_windows(6),
        ropes=read_gemma3_ropes,
        head_size=256,
        expect={"use_bidirectional_attention": False},
    ),
    "gpt2": Family(
        architecture="GPT2LMHeadModel",
        prefix="transformer.",
        names={
            "embedding": "wte",
            "positions": "wpe",
            "norm": "ln_f",
            "attention_norm": "h.{}.ln_1",
            "qkv": "h.{}.attn.c_attn",
            "o": "h.{}.attn.c_proj",
            "mlp_norm": "h.{}.ln_2",
            "up": "h.{}.mlp.c_fc",
            "down": "h.{}.mlp.c_proj",
        },
        keys=_GPT2_KEYS,
        qkv="stacked",
        transposed=True,
        unused=_GPT_MASKS,
        tied=True,
        norm="layer",
        eps=("layer_norm_epsilon", 1e-5),
        activation=("activation_function", "gelu_new"),
        gated=False,
        learned_positions=True,
        biases={"qkv": True, "o": True, "mlp": True},
        scale=_gpt2_scale,
        expect={"scale_attn_by_inverse_layer_idx": False},
    ),
    "gpt_neo": Family(
        architecture="GPTNeoForCausalLM",
        prefix="transformer.",
        names={
            "embedding": "wte",
            "positions": "wpe",
            "norm": "ln_f",
            "attention_norm": "h.{}.ln_1",
            "q": "h.{}.attn.attention.q_proj",
            "k": "h.{}.attn.attention.k_proj",
            "v": "h.{}.attn.attention.v_proj",
            "o": "h.{}.attn.attention.out_proj",
            "mlp_norm": "h.{}.ln_2",
            "up": "h.{}.mlp.c_fc",
            "down": "h.{}.mlp.c_proj",
        },
        keys=_GPT_NEO_KEYS,
        unused=_GPT_MASKS,
        tied=True,
        norm="layer",
        eps=("layer_norm_epsilon", 1e-5),
        activation=("activation_function", "gelu_new"),
        gated=False,
        learned_positions=True,
        biases={"o": True, "mlp": True},
        scale=lambda *_: 1.0,
        windows=read_gpt_neo_windows,
    ),
    "gpt_neox": Family(
        architecture="GPTNeoXForCausalLM",
        prefix="gpt_neox.",
        head="embed_out",
        names={
            "embedding": "embed_in",
            "norm": "final_layer_norm",
            "attention_norm": "layers.{}.input_layernorm",
            "qkv": "layers.{}.attention.query_key_value",
            "o": "layers.{}.attention.dense",
            "mlp_norm": "layers.{}.post_attention_layernorm",
            "up": "layers.{}.mlp.dense_h_to_4h",
            "down": "layers.{}.mlp.dense_4h_to_h",
        },
        qkv="by head",
        unused=(*_GPT_MASKS, "*.rotary_emb.inv_freq"),
        norm="layer",
        eps=("layer_norm_eps", 1e-5),
        activation=("hidden_act", "gelu"),
        gated=False,
        parallel=("use_parallel_residual", True),
        biases={"qkv": ("attention_bias", True), "o": ("attention_bias", True), "mlp": True},
        ropes=partial(read_one_rope, partial=0.25),
    ),
}
