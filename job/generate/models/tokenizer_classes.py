"""transformers' classes of tokenizers: which one a folder gets, and what each makes of a tokenizer.json.

As transformers 5.23 does it. AutoTokenizer's own class takes the file as it is. Each of the others takes the
vocabulary, the merges and the post-processor from it, and builds the rest by itself.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from job.errors import UnsupportedError
from job.generate.models.gguf.pre_tokenizers import QWEN2_WORDS

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TokenizerClass:
    """build: from a vocabulary, merges and tokenizer_config.json. defaults: what that has, if not said."""

    build: Callable[[dict[str, int], list[tuple[str, str]], Values], Tokenizer]
    defaults: Mapping[str, str | None] = field(default_factory=dict)
    drops_post_processor: bool = False
    marks_special_tokens: bool = False  # again, once all are added


def _build_gpt2(vocabulary: dict[str, int], merges: list[tuple[str, str]], config: Values) -> Tokenizer:
    tokenizer = Tokenizer(BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix=""))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(config.get("add_prefix_space", False))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _build_gpt_neox(vocabulary: dict[str, int], merges: list[tuple[str, str]], config: Values) -> Tokenizer:
    tokenizer = _build_gpt2(vocabulary, merges, config)
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def _build_qwen2(vocabulary: dict[str, int], merges: list[tuple[str, str]], config: Values) -> Tokenizer:
    tokenizer = Tokenizer(BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix=""))
    tokenizer.normalizer = normalizers.NFC()
    prefix = config.get("add_prefix_space")
    byte_level = pre_tokenizers.ByteLevel(False if prefix is None else prefix, use_regex=False)
    split = pre_tokenizers.Split(Regex(QWEN2_WORDS), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _build_llama(vocabulary: dict[str, int], merges: list[tuple[str, str]], config: Values) -> Tokenizer:
    tokenizer = Tokenizer(BPE(vocabulary, merges, fuse_unk=True, byte_fallback=True))
    prefix = config.get("add_prefix_space")
    prefix = True if prefix is None else bool(prefix)
    scheme = ("always" if config.get("legacy", False) else "first") if prefix else "never"
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", scheme, split=False)
    strip = [decoders.Strip(" ", 1)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return tokenizer


def _build_gemma(vocabulary: dict[str, int], merges: list[tuple[str, str]], config: Values) -> Tokenizer:
    unknown = str(config.get("unk_token", "<unk>"))
    tokenizer = Tokenizer(BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return tokenizer


_END = "<|endoftext|>"
_END_DEFAULTS = {"bos_token": _END, "eos_token": _END, "unk_token": _END}
_CLASSES = {
    "GPT2Tokenizer": TokenizerClass(_build_gpt2, _END_DEFAULTS | {"pad_token": None}),
    "GPTNeoXTokenizer": TokenizerClass(
        _build_gpt_neox, _END_DEFAULTS | {"pad_token": "<|padding|>"}, drops_post_processor=True
    ),
    "Qwen2Tokenizer": TokenizerClass(
        _build_qwen2,
        {"eos_token": _END, "unk_token": _END, "pad_token": _END},
        marks_special_tokens=True,
    ),
    "LlamaTokenizer": TokenizerClass(
        _build_llama, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    ),
    "GemmaTokenizer": TokenizerClass(
        _build_gemma,
        {
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "mask_token": "<mask>",
        },
    ),
}
# AutoTokenizer's own class, under its names
_AS_IT_IS = ("TokenizersBackend", "PreTrainedTokenizer", "PythonBackend")
# Of the model types that the openvino engine builds; None: transformers has no class for it.
_BY_MODEL_TYPE = {
    "llama": None,
    "smollm3": None,
    "mistral": "TokenizersBackend",
    "phi3": "TokenizersBackend",
    "qwen2": "Qwen2Tokenizer",
    "qwen3": "Qwen2Tokenizer",
    "gemma": "GemmaTokenizer",
    "gemma2": "GemmaTokenizer",
    "gemma3_text": "GemmaTokenizer",
    "gpt2": "GPT2Tokenizer",
    "gpt_neo": "GPT2Tokenizer",
    "gpt_neox": "GPTNeoXTokenizer",
}
# transformers does not believe the tokenizer_class of these.
_WRONGLY_DECLARED = ("phi3", "qwen2")


def select_class(model_type: str, declared: str | None, is_byte_level: bool) -> TokenizerClass | None:
    """The class that AutoTokenizer takes; None if it takes tokenizer.json as it is.

    declared: the folder's tokenizer_class. is_byte_level: whether tokenizer.json names ByteLevel.
    Raises UnsupportedError for a model type or a class that is not known here.
    """
    if model_type not in _BY_MODEL_TYPE:
        raise UnsupportedError(f"tokenizers of {model_type!r} are read by transformers alone")
    registered = _BY_MODEL_TYPE[model_type]
    if declared is None:
        return _find(registered)
    name = declared.removesuffix("Fast")
    believed = model_type not in _WRONGLY_DECLARED
    if name == "LlamaTokenizer" and believed and is_byte_level:
        return None
    if registered is None or registered == name:
        return _find(name)
    if registered == "TokenizersBackend":
        return None
    return _find(name if believed else registered)


def _find(name: str | None) -> TokenizerClass | None:
    if name is None or name in _AS_IT_IS:
        return None
    if name not in _CLASSES:
        raise UnsupportedError(f"a {name} is built by transformers alone")
    return _CLASSES[name]


def build(class_: TokenizerClass, file: Values, config: Values) -> Tokenizer:
    """What the class makes of the content of tokenizer.json, still without added tokens.

    Raises UnsupportedError if its model is not BPE.
    """
    model = file["model"]
    if model.get("type") != "BPE" or not isinstance(model["vocab"], dict):
        raise UnsupportedError("its tokenizer.json is read by transformers alone: its model is not BPE")
    merges = [tuple(each.split(" ") if isinstance(each, str) else each) for each in model["merges"]]
    tokenizer = class_.build(model["vocab"], merges, config)
    if not class_.drops_post_processor:
        rest = {**file, "model": {**model, "vocab": {}, "merges": []}, "added_tokens": []}
        if post_processor := Tokenizer.from_str(json.dumps(rest)).post_processor:
            tokenizer.post_processor = post_processor
    return tokenizer
