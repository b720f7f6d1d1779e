"""What config.json says of a network: all that the graph needs but the numbers."""

from dataclasses import dataclass

from job.errors import ModelError, UnsupportedError
from job.generate.engines.openvino.config import Config, refuse_unknown_keys
from job.generate.engines.openvino.families import FAMILIES, Family
from job.generate.engines.openvino.rope import Rope

ACTIVATIONS = ("silu", "swish", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu")


@dataclass(frozen=True, slots=True)
class Layer:
    """What may differ from layer to layer. `window` is how many tokens are seen; 0 means all."""

    rope: Rope | None
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The sizes and kinds of a decoder's parts."""

    family: Family
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_size: int
    context_length: int  # tokens
    layers: tuple[Layer, ...]
    scale: float  # of the products of queries and keys
    eps: float
    activation: str
    parallel: bool
    tied: bool  # the head is the embedding
    biases: frozenset[str]
    softcap: float  # of the logits; 0 means none

    @property
    def switch(self) -> int:
        """How many tokens a text has at most that has not the frequencies of long ones; 0 means any."""
        return max(layer.rope.switch if layer.rope else 0 for layer in self.layers)


def read_architecture(config: Config) -> Architecture:
    """The network of a config.json.

    Raises UnsupportedError for a family, a value or a key that the table does not hold, or if a size is
    missing; ModelError for sizes that can't be.
    """
    model_type = config.string("model_type")
    if model_type not in FAMILIES:
        raise UnsupportedError(f"{config.place}: the openvino engine does not build models of {model_type!r}")
    family = FAMILIES[model_type]
    keys = family.keys
    architectures = config.strings("architectures", [family.architecture])
    if architectures != [family.architecture]:
        raise UnsupportedError(f"{config.place}: the openvino engine does not build {architectures}")
    for name, value in family.expect.items():
        config.expect(name, value)

    hidden_size = config.integer(keys.get("hidden_size", "hidden_size"))
    heads = config.integer(keys.get("num_attention_heads", "num_attention_heads"))
    layers = config.integer(keys.get("num_hidden_layers", "num_hidden_layers"))
    if family.qkv == "by head" or family.learned_positions:
        kv_heads, head_size = heads, hidden_size // heads
    else:
        kv_heads = config.integer("num_key_value_heads", heads if family.kv_heads else None)
        head_size = config.integer("head_dim", family.head_size or hidden_size // heads)
    if heads % kv_heads:
        raise ModelError(f"{config.place}: {heads} heads can't share {kv_heads} key-value heads")
    if (family.learned_positions or family.qkv == "by head") and hidden_size % heads:
        raise ModelError(f"{config.place}: hidden_size {hidden_size} is not a multiple of {heads} heads")
    positions_key = keys.get("max_position_embeddings", "max_position_embeddings")
    context_length = config.integer(positions_key)
    ropes = [None] * layers if family.learned_positions else family.ropes(config, layers, head_size)
    windows = family.windows(config, layers)
    activation = config.string(*family.activation)
    if activation not in ACTIVATIONS:
        raise UnsupportedError(f"{config.place}: the activation {activation!r} is not built")
    if softcap := _softcap(config, "attn_logit_softcapping", family.attention_softcap):
        raise UnsupportedError(f"{config.place}: attn_logit_softcapping {softcap} is not built")
    architecture = Architecture(
        family=family,
        vocab_size=config.integer("vocab_size"),
        hidden_size=hidden_size,
        intermediate_size=_intermediate_size(config, family, hidden_size),
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        context_length=context_length,
        layers=tuple(Layer(rope, window) for rope, window in zip(ropes, windows, strict=True)),
        scale=family.scale(config, head_size),
        eps=config.number(*family.eps),
        activation=activation,
        parallel=bool(family.parallel and config.boolean(*family.parallel)),
        tied=config.boolean("tie_word_embeddings", family.tied),
        biases=frozenset(
            part
            for part, bias in family.biases.items()
            if (config.boolean(*bias) if isinstance(bias, tuple) else bias)
        ),
        softcap=_softcap(config, "final_logit_softcapping", family.softcap),
    )
    refuse_unknown_keys(config)
    return architecture


def _intermediate_size(config: Config, family: Family, hidden_size: int) -> int:
    name = family.keys.get("intermediate_size", "intermediate_size")
    return config.integer(name, None if family.gated else 4 * hidden_size)


def _softcap(config: Config, name: str, default: float) -> float:
    return 0.0 if config.is_null(name) else config.number(name, default)
