"""A tiny random network of each causal class of transformers, made from the class's own configuration."""

from typing import Any

VOCABULARY = 128

# What a size becomes, by its name in the configurations; smaller ones stay.
_SIZES = {
    name: size
    for size, names in {
        2: "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers num_encoder_layers "
        "num_decoder_layers n_group num_experts_per_tok moe_topk moe_k num_experts_per_token",
        4: "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads "
        "attention_heads num_encoder_attention_heads num_decoder_attention_heads "
        "num_experts n_routed_experts num_local_experts moe_num_experts",
        # Windows and chunks shorter than the test's texts
        8: "chunk_size mamba_chunk_size attention_chunk_size sliding_window sliding_window_size "
        "attention_window_size",
        16: "head_dim attention_head_dim d_head swa_head_dim v_head_dim qk_nope_head_dim qk_rope_head_dim "
        "rotary_dim kv_channels dim_head kv_lora_rank q_lora_rank",
        32: "moe_intermediate_size shared_expert_intermediate_size shared_intermediate_size "
        "expert_ffn_hidden_size intermediate_size_mlp dense_intermediate_size "
        "shared_experts_intermediate_size moe_shared_expert_intermediate_size",
        64: "hidden_size d_model n_embd dim emb_dim embedding_size word_embed_proj_dim "
        "attention_hidden_size max_position_embeddings n_positions max_seq_len n_ctx context_length "
        "model_max_length max_target_positions",
        96: "intermediate_size ffn_dim decoder_ffn_dim encoder_ffn_dim ffn_hidden_size d_inner "
        "feed_forward_size dff n_inner dim_ff",
        VOCABULARY: "vocab_size",
    }.items()
    for name in names.split()
}
_KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads", "swa_num_key_value_heads", "num_query_groups")
_LAYER_KINDS = ("layer_types", "layers_block_type", "mlp_layer_types")

_HYBRID = {"num_hidden_layers": 6, "layers_block_type": ["mamba", "mamba", "hybrid"] * 2, "n_mamba_heads": 2}
_ROPE = {"rope_type": "default", "rope_theta": 10_000.0}

# What the rule of sizes alone gets wrong.
_CHANGED: dict[str, dict[str, Any]] = {
    "bailing_hybrid": {"n_group": 2, "num_experts": 4},
    "bamba": {"attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 16},
    "cohere_compass_text": {"rope_parameters": {"full_attention": _ROPE}},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {
        "head_dim": 16,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "n_group": 2,
        "topk_group": 1,
    },
    "dots3_note_text": {"num_key_value_heads": 4},
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "vocab_size_per_layer_input": VOCABULARY,
        "hidden_size_per_layer_input": 16,
        "activation_sparsity_pattern": None,
    },
    "gemma4_text": {"vocab_size_per_layer_input": VOCABULARY, "hidden_size_per_layer_input": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": {
        "layer_types": ["mamba", "attention"],
        "mamba_n_heads": 8,
        "mamba_d_head": 16,
    },
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "jamba": {"num_hidden_layers": 4, "attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "longcat_flash": {"head_dim": 16},
    "mamba2": {"num_heads": 8, "head_dim": 16, "state_size": 16},
    "ministral": {"head_dim": 16},
    "nemotron": {"num_key_value_heads": 2},
    "qwen4_exp_text": {
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
        "indexer_budget": 16,
        "indexer_compress_ratio": 4,
    },
    "recurrent_gemma": {"num_hidden_layers": 3, "lru_width": 64},
    "reformer": {"axial_pos_embds_dim": (32, 32), "axial_pos_shape": (8, 8)},
    "xlstm": {"hidden_size": 128},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "zamba": _HYBRID
    | {
        "attn_layer_period": 3,
        "attn_layer_offset": 2,
        "mamba_dt_rank": 4,
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
    },
    "zamba2": _HYBRID | {"n_mamba_heads": 8, "head_dim": 32, "attention_hidden_size": 128},
    "zaya": {"num_experts_per_tok": 1},
}

# Not made here: transformers can't build it from its own defaults, or it needs more than tokens.
NOT_TINY = frozenset(
    [
        "blt",
        "dbrx",
        "dots3_note",
        "gemma3n",
        "gemma4_assistant",
        "gemma4_unified_assistant",
        "musicgen",
        "musicgen_melody",
    ]
)


def tiny_network(model_type: str, **changed: Any) -> Any:
    """A seeded float32 network of the type, whose logits are wide apart; its vocabulary is VOCABULARY.

    changed: values of its configuration.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    config_class = CONFIG_MAPPING[model_type]
    config = config_class(**(_small_values(config_class) | changed))
    if hasattr(config, "is_decoder"):
        config.is_decoder = True
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for weights in network.parameters():
            if weights.ndim > 1:
                weights.mul_(4)
    network.generation_config = GenerationConfig()
    return network


def _small_values(config_class: Any) -> dict[str, Any]:
    """Arguments that make a small configuration of the class, nested ones included."""
    default = config_class()
    names = vars(default)
    values: dict[str, Any] = {}
    for name, value in names.items():
        if name in _LAYER_KINDS and isinstance(value, list):
            values[name] = list(dict.fromkeys(value))
        elif isinstance(value, bool) or not isinstance(value, int):
            continue
        elif name.endswith(("_token_id", "token_index")):
            values[name] = 0 if name == "pad_token_id" else 1 + len(values) % 15
        elif name == "topk_group":
            values[name] = 1
        elif name in _KEY_VALUE_HEADS:  # latent attention has as many of them as of the others
            values[name] = 4 if "kv_lora_rank" in names else 2
        # latent attention takes its head_dim from the parts of it
        elif name in _SIZES and not (name == "head_dim" and "qk_rope_head_dim" in names):
            values[name] = min(value, _SIZES[name])
    layers = max([2, *(len(values[name]) for name in _LAYER_KINDS if name in values)])
    for name in _LAYER_KINDS:
        if name in values:
            values[name] = (values[name] * layers)[:layers]
    values |= {name: layers for name in values if name.endswith(("_layers", "n_layer"))}
    for name, part in config_class.sub_configs.items():
        if isinstance(part, type) and part.__name__ != "AutoConfig":
            values[name] = _small_values(part)
        elif hasattr(getattr(default, name, None), "model_type"):
            values[name] = _small_values(type(getattr(default, name)))
    return values | _CHANGED.get(config_class.model_type, {})
