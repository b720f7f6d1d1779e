"""What differs from layer to layer, as each family's config.json says it: rotary positions and windows.

A window is how many tokens a token sees, itself among them; 0 means all of them.
"""

from collections.abc import Callable

from job.errors import UnsupportedError
from job.generate.engines.openvino.config import Config
from job.generate.engines.openvino.rope import LONGROPE, Rope, read_rope


def read_one_rope(
    config: Config,
    layers: int,
    head_size: int,
    *,
    theta: float = 1e4,
    partial: float | None = None,
    switch: int = 0,
) -> list[Rope | None]:
    """The same rotary positions in all layers, by the names of transformers 5 or those before."""
    positions = config.integer("max_position_embeddings")
    new, old = config.mapping("rope_parameters"), config.mapping("rope_scaling")
    parameters = old if config.has("rope_scaling") else new
    theta = config.number("rope_theta", config.number("rotary_emb_base", theta))
    if partial is None:  # transformers' models of this family turn the whole head
        config.expect("partial_rotary_factor", 1.0)
        parameters.expect("partial_rotary_factor", 1.0)
        partial = 1.0
    partial = config.number("partial_rotary_factor", config.number("rotary_pct", partial))
    return [read_rope(config, parameters, head_size, positions, theta, partial, switch)] * layers


def read_smollm3_ropes(config: Config, layers: int, head_size: int) -> list[Rope | None]:
    interval = config.integer("no_rope_layer_interval", 4)
    pattern = config.raw("no_rope_layers") or [(layer + 1) % interval for layer in range(layers)]
    if not isinstance(pattern, list) or len(pattern) != layers:
        raise UnsupportedError(f"{config.place}: no_rope_layers has no value for each of {layers} layers")
    ropes = read_one_rope(config, layers, head_size, theta=2e6)
    return [rope if has_rope else None for rope, has_rope in zip(ropes, pattern, strict=True)]


def read_gemma3_ropes(config: Config, layers: int, head_size: int) -> list[Rope | None]:
    parameters, old = config.mapping("rope_parameters"), config.mapping("rope_scaling")
    positions = config.integer("max_position_embeddings")
    kinds = {
        "full_attention": config.number("rope_theta", 1e6),
        "sliding_attention": config.number("rope_local_base_freq", 1e4),
    }
    ropes = {}
    for kind, theta in kinds.items():
        nested = parameters.mapping(kind)
        if kind == "full_attention" and config.has("rope_scaling"):
            nested = old
        ropes[kind] = read_rope(config, nested, head_size, positions, theta, 1.0)
    parameters.refuse_unread()
    return [ropes[kind] for kind in _gemma_layer_types(config, layers, 6)]


def read_phi3_ropes(config: Config, layers: int, head_size: int) -> list[Rope | None]:
    for name in ("rope_parameters", "rope_scaling"):
        for kind in ("type", "rope_type"):  # transformers takes each other kind for longrope
            if config.mapping(name).raw(kind) not in LONGROPE:
                config.mapping(name).expect(kind, "default")
    switch = config.integer("original_max_position_embeddings", 4096)
    return read_one_rope(config, layers, head_size, partial=1.0, switch=switch)


def window_everywhere(default: int) -> Callable[[Config, int], list[int]]:
    def windows(config: Config, layers: int) -> list[int]:
        if config.is_null("sliding_window"):
            return [0] * layers
        return [config.integer("sliding_window", default, minimum=0)] * layers

    return windows


def read_qwen_windows(config: Config, layers: int) -> list[int]:
    if not config.boolean("use_sliding_window", False):
        for name in ("sliding_window", "max_window_layers"):
            config.raw(name)
        _check_layer_types(config, ["full_attention"] * layers)
        return [0] * layers
    window = config.integer("sliding_window", 4096)
    first = config.integer("max_window_layers", 28, minimum=0)
    types = ["full_attention" if layer < first else "sliding_attention" for layer in range(layers)]
    types = _read_layer_types(config, types)
    return [window if kind == "sliding_attention" else 0 for kind in types]


def read_smollm3_windows(config: Config, layers: int) -> list[int]:
    config.expect("use_sliding_window", False)
    config.raw("sliding_window")
    _check_layer_types(config, ["full_attention"] * layers)
    return [0] * layers


def gemma_windows(pattern: int) -> Callable[[Config, int], list[int]]:
    def windows(config: Config, layers: int) -> list[int]:
        window = config.integer("sliding_window", 4096)
        types = _gemma_layer_types(config, layers, pattern)
        return [window if kind == "sliding_attention" else 0 for kind in types]

    return windows


def _gemma_layer_types(config: Config, layers: int, pattern: int) -> list[str]:
    pattern = config.integer("sliding_window_pattern", config.integer("_sliding_window_pattern", pattern))
    types = ["sliding_attention" if (n + 1) % pattern else "full_attention" for n in range(layers)]
    return _read_layer_types(config, types)


def read_gpt_neo_windows(config: Config, layers: int) -> list[int]:
    window = config.integer("window_size", 256)
    types = config.raw("attention_types") or [[["global", "local"], (layers + 1) // 2]]
    try:
        kinds = [kind for names, count in types for kind in names * count]
    except (TypeError, ValueError):
        raise UnsupportedError(f"{config.place}: attention_types {types!r} are not built") from None
    if config.has("attention_layers"):
        kinds = config.strings("attention_layers")
    if len(kinds) != layers or not set(kinds) <= {"global", "local"}:
        raise UnsupportedError(f"{config.place}: attention_types are not global or local for {layers} layers")
    return [window if kind == "local" else 0 for kind in kinds]


def _read_layer_types(config: Config, default: list[str]) -> list[str]:
    types = config.strings("layer_types", default)
    if len(types) != len(default) or not set(types) <= {"full_attention", "sliding_attention"}:
        raise UnsupportedError(
            f"{config.place}: layer_types {types!r} are not built for {len(default)} layers"
        )
    return types


def _check_layer_types(config: Config, expected: list[str]) -> None:
    if _read_layer_types(config, expected) != expected:
        raise UnsupportedError(f"{config.place}: layer_types need a sliding_window")
