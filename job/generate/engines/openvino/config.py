"""Reading config.json so that no key is overlooked: what nobody asked for is refused by its name."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from job.errors import ModelError, UnsupportedError
from job.generate.models.checkpoint import CONFIG

_TYPES = {int: "a whole number", float: "a number", bool: "true or false", str: "a string", list: "a list"}
_LARGEST = 2**31 - 1  # sizes are 32 bits in the graph

# Keys that say nothing about the numbers that a network computes when it generates.
_WITHOUT_EFFECT = frozenset(
    [
        "architectures",
        "model_type",
        "transformers_version",
        "tokenizer_class",  # read with the tokenizer
        "torch_dtype",
        "dtype",
        "use_cache",
        "cache_implementation",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "unk_token_id",
        "sep_token_id",
        "cls_token_id",
        "decoder_start_token_id",
        "initializer_range",
        "initializer_factor",
        "gradient_checkpointing",
        "pretraining_tp",
        "attention_dropout",
        "hidden_dropout",
        "classifier_dropout",
        "embd_pdrop",
        "attn_pdrop",
        "resid_pdrop",
        "embed_dropout",
        "resid_dropout",
        "summary_activation",
        "summary_first_dropout",
        "summary_proj_to_labels",
        "summary_type",
        "summary_use_proj",
        "task_specific_params",
        "n_ctx",
        "reorder_and_upcast_attn",
        "use_return_dict",
        "return_dict",
        "output_hidden_states",
        "output_attentions",
        "id2label",
        "label2id",
        "problem_type",
        "_name_or_path",
        "_model_name_or_path",
        "_attn_implementation",
        "is_llama_config",
        "transformers.js_config",
    ]
)
# Keys that these networks are built for one value of.
_FIXED: Mapping[str, object] = {
    "is_encoder_decoder": False,
    "is_decoder": False,
    "add_cross_attention": False,
    "rope_interleaved": False,
    "chunk_size_feed_forward": 0,
}


class Config:
    """The values of a config.json, or of a mapping in it, each asked for by its name."""

    def __init__(self, values: Mapping[str, Any], place: str = "config.json") -> None:
        self.place, self._values, self._read = place, values, set[str]()

    def integer(self, name: str, default: int | None = None, *, minimum: int = 1) -> int:
        value: int = self._get(name, int, default)
        if not minimum <= value <= _LARGEST:
            raise ModelError(f"{self.place}: {name} can't be {value}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        return float(self._get(name, float, default))

    def boolean(self, name: str, default: bool | None = None) -> bool:
        value: bool = self._get(name, bool, default)
        return value

    def string(self, name: str, default: str | None = None) -> str:
        value: str = self._get(name, str, default)
        return value

    def strings(self, name: str, default: list[str] | None = None) -> list[str]:
        value: list[str] = self._get(name, list, default)
        if not all(type(item) is str for item in value):
            raise ModelError(f"{self.place}: {name} must be strings, not {value!r}")
        return value

    def numbers(self, name: str) -> list[float]:
        value: list[float] = self._get(name, list, None)
        if not all(type(item) in (int, float) for item in value):
            raise ModelError(f"{self.place}: {name} must be numbers, not {value!r}")
        return value

    def has(self, name: str) -> bool:
        """Whether the key is there, and not null."""
        self._read.add(name)
        return self._values.get(name) is not None

    def is_null(self, name: str) -> bool:
        """Whether the key is there, and null."""
        self._read.add(name)
        return name in self._values and self._values[name] is None

    def raw(self, name: str) -> Any:
        self._read.add(name)
        return self._values.get(name)

    def mapping(self, name: str) -> "Config":
        """The mapping at the key, or an empty one."""
        value = self.raw(name)
        if value is not None and not isinstance(value, dict):
            raise ModelError(f"{self.place}: {name} must be a mapping, not {value!r}")
        return Config(value or {}, f"{self.place}: {name}")

    def expect(self, name: str, expected: object) -> None:
        """Raise UnsupportedError if the key is there, not null, and has another value."""
        if self.has(name) and self._values[name] != expected:
            raise UnsupportedError(
                f"{self.place}: {name} {self._values[name]!r} is not built by the openvino engine"
            )

    def refuse_unread(self, without_effect: Collection[str] = ()) -> None:
        """Raise UnsupportedError if a key was not asked for, and could have an effect."""
        for name in self._values:
            if name not in self._read and name not in without_effect and self._values[name] is not None:
                raise UnsupportedError(f"{self.place}: the openvino engine does not know the key {name!r}")

    def _get(self, name: str, expected: type, default: object) -> Any:
        value = self.raw(name)
        if value is None:
            if default is None:
                raise UnsupportedError(f"{self.place}: has no {name}")
            return default
        if type(value) is not expected and not (expected is float and type(value) is int):
            raise ModelError(f"{self.place}: {name} must be {_TYPES[expected]}, not {value!r}")
        return value


def read_config(folder: Path) -> Config:
    """The config.json of a model's folder. Raises ModelError if it can't be read."""
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path}: not a mapping")
    return Config(values, str(path))


def refuse_unknown_keys(config: Config) -> None:
    """Raise UnsupportedError for a key that was not read and is not known to be without effect."""
    for name, value in _FIXED.items():
        config.expect(name, value)
    config.refuse_unread(_WITHOUT_EFFECT)
