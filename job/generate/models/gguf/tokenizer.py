"""A file's tokenizer keys as a tokenizer of the tokenizers library."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

from job.errors import ModelError
from job.generate.models.gguf.keys import Keys
from job.generate.models.gguf.pre_tokenizers import BY_ARCHITECTURE, PRE_TOKENIZERS

# Token types.
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED = 1, 2, 3, 4, 5
# What fills the holes of a vocabulary: no token of the model.
_FILLER = re.compile(r"\[PAD\d+\]|")
_SPACE = "▁"

# Tokens that mean something in prompts which textgen does not write, and copies of what other keys say.
_WITHOUT_EFFECT = (
    "chat_template",
    "chat_templates",
    "huggingface.json",
    "ggml.seperator_token_id",
    "ggml.cls_token_id",
    "ggml.mask_token_id",
    "ggml.fim_",
    "ggml.prefix_token_id",
    "ggml.suffix_token_id",
    "ggml.middle_token_id",
    "ggml.fsep_token_id",
)

_SPECIAL = ("bos", "eos", "eot", "eom", "unknown", "padding")
# If the file does not say, these control tokens end a turn.
_TURN_ENDS = {"eot": ("<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>"), "eom": ("<|eom_id|>",)}
# Phi-3's other tokens take the spaces and line ends after them, which no key says.
_PHI3_KEEPS = ("<unk>", "<s>", "<|endoftext|>")
_SENTENCEPIECE_IDS = {"bos": 1, "eos": 2, "unknown": 0}  # if the file does not say


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A model's tokens, and which of them mean something."""

    tokenizer: Tokenizer
    tokens: Sequence[str]  # by their ids
    bos_id: int | None
    stop_ids: tuple[int, ...]  # each ends a text
    unknown_id: int | None
    padding_id: int | None
    chat_template: str | None


def read_vocabulary(keys: Keys, architecture: str) -> Vocabulary:
    """The tokens of a file. Raises ModelError: a key is missing, or has a value that is not read."""
    chat_template = keys.get("tokenizer.chat_template", str)
    keys.below("tokenizer").ignore(*_WITHOUT_EFFECT)
    keys = keys.below("tokenizer").below("ggml")
    keys.expect("model", "gpt2", "llama")
    keys.expect("add_sep_token", False)
    keys.expect("remove_extra_whitespaces", False)
    tokens = keys.require("tokens", list)
    types = keys.get("token_type", list) or [_NORMAL] * len(tokens)
    if len(types) != len(tokens):
        raise ModelError(f"tokenizer.ggml.token_type has {len(types)} values for {len(tokens)} tokens")
    defaults = _SENTENCEPIECE_IDS if keys.require("model", str) == "llama" else {}
    special = {name: _token_id(keys, name, len(tokens)) for name in _SPECIAL}
    special |= {name: id_ for name, id_ in defaults.items() if special[name] is None and id_ < len(tokens)}
    for name, texts in _TURN_ENDS.items():
        named = (id_ for id_, token in enumerate(tokens) if types[id_] == _CONTROL and token in texts)
        special[name] = next(named, None) if special[name] is None else special[name]
    try:
        tokenizer = _build_tokenizer(keys, tokens, types, special, architecture)
    except ModelError:
        raise
    except Exception as error:  # the library raises what it likes
        raise ModelError(f"its tokens and merges make no tokenizer: {error}") from None
    stop_ids = dict.fromkeys(id_ for name in ("eos", "eot", "eom") if (id_ := special[name]) is not None)
    return Vocabulary(
        tokenizer,
        tokens,
        special["bos"],
        tuple(stop_ids),
        special["unknown"],
        special["padding"],
        chat_template,
    )


def _token_id(keys: Keys, name: str, count: int) -> int | None:
    key = f"{name}_token_id"
    id_ = keys.get(key, int)
    if id_ is not None and not 0 <= id_ < count:
        raise ModelError(f"the key tokenizer.ggml.{key} is {id_}, and there are {count} tokens")
    return id_


def _build_tokenizer(
    keys: Keys,
    tokens: Sequence[str],
    types: Sequence[int],
    special: Mapping[str, int | None],
    architecture: str,
) -> Tokenizer:
    ids: dict[str, int] = {}
    for id_, token in enumerate(tokens):
        if not _is_filler(token, types[id_]) and ids.setdefault(token, id_) != id_:
            raise ModelError(f"the tokens {ids[token]} and {id_} are the same: {token!r}")
    is_sentencepiece = keys.require("model", str) == "llama"
    if is_sentencepiece:
        keys.get("pre", str)
        tokenizer, begins = _build_sentencepiece(keys, ids, tokens, types, special["unknown"]), True
    else:
        tokenizer, begins = _build_byte_level(keys, ids, architecture)
    _add_tokens(tokenizer, tokens, types, strips=is_sentencepiece and architecture == "phi3")
    ends = {}
    for name, default in (("bos", begins), ("eos", False)):
        added, end = keys.get(f"add_{name}_token", bool), special[name]
        if added and end is None:
            raise ModelError(f"the key tokenizer.ggml.{name}_token_id is missing")
        if end is not None and (default if added is None else added):
            ends[name] = end
    if ends:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[name for name in ("bos", "$A", "eos") if name == "$A" or name in ends],
            special_tokens=[
                {"id": name, "ids": [id_], "tokens": [tokens[id_]]} for name, id_ in ends.items()
            ],
        )
    return tokenizer


def _is_filler(token: str, type_: int) -> bool:
    return type_ in (_UNUSED, _UNKNOWN) and _FILLER.fullmatch(token) is not None


def _build_byte_level(keys: Keys, ids: dict[str, int], architecture: str) -> tuple[Tokenizer, bool]:
    """The tokenizer, and whether a text begins with the beginning-of-text token by default."""
    keys.expect("add_space_prefix", False)
    keys.get("scores", list)
    name = keys.get("pre", str) or BY_ARCHITECTURE.get(architecture)
    if not name:
        raise ModelError("the key tokenizer.ggml.pre is missing; convert the model again")
    if name not in PRE_TOKENIZERS:
        raise ModelError(f"the key tokenizer.ggml.pre is {name!r}, which is not read")
    kind = PRE_TOKENIZERS[name]
    merges = _split_merges(keys.require("merges", list))
    tokenizer = Tokenizer(models.BPE(ids, merges, ignore_merges=kind.whole_words))
    if kind.nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = kind.build()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, kind.begins


def _split_merges(merges: Sequence[str]) -> list[tuple[str, str]]:
    # The first part may begin with a space of its own.
    cuts = [(merge, merge.find(" ", 1)) for merge in merges]
    return [(merge[:cut], merge[cut + 1 :]) for merge, cut in cuts]


def _build_sentencepiece(
    keys: Keys, ids: dict[str, int], tokens: Sequence[str], types: Sequence[int], unknown: int | None
) -> Tokenizer:
    scores = keys.require("scores", list)
    if len(scores) != len(tokens):
        raise ModelError(f"the key tokenizer.ggml.scores has {len(scores)} values for {len(tokens)} tokens")
    ranks = {token: (float(scores[id_]), -id_) for token, id_ in ids.items()}
    for id_, token in enumerate(tokens):
        # The converter writes tokens of spaces as such. They come before all that is learned.
        if (
            types[id_] == _USER_DEFINED
            and not token.strip(" ")
            and (spaces := _SPACE * len(token)) not in ids
        ):
            ids[spaces] = ids.pop(token)
            ranks[spaces] = (float("inf"), -id_)
    merges = _split_merges(keys.get("merges", list) or []) or _derive_merges(ids, ranks)
    unknown_token = None if unknown is None else tokens[unknown]
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token=unknown_token, fuse_unk=True, byte_fallback=True))
    spaces_to_marks = normalizers.Replace(" ", _SPACE)
    marks_to_text = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if keys.get("add_space_prefix", bool) is not False:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), spaces_to_marks])
        tokenizer.decoder = decoders.Sequence([*marks_to_text, decoders.Strip(" ", 1, 0)])
    else:
        tokenizer.normalizer = spaces_to_marks
        tokenizer.decoder = decoders.Sequence(marks_to_text)
    return tokenizer


def _derive_merges(ids: dict[str, int], ranks: dict[str, tuple[float, int]]) -> list[tuple[str, str]]:
    """All pairs of tokens that make a token, best first; of one token's, the longest left part."""
    merges = [
        (ranks[token], cut, token)
        for token in ids
        for cut in range(1, len(token))
        if token[:cut] in ids and token[cut:] in ids
    ]
    merges.sort(reverse=True)
    return [(token[:cut], token[cut:]) for _, cut, token in merges]


def _add_tokens(tokenizer: Tokenizer, tokens: Sequence[str], types: Sequence[int], strips: bool) -> None:
    """Have control tokens, and those that were added later, taken whole wherever a text has them."""
    for kinds, is_special in (((_CONTROL, _UNKNOWN), True), ((_USER_DEFINED,), False)):
        ids = [id_ for id_, type_ in enumerate(types) if type_ in kinds]
        added = [
            AddedToken(
                token, normalized=False, special=is_special, rstrip=strips and token not in _PHI3_KEEPS
            )
            for token in (tokens[id_] for id_ in ids if tokenizer.token_to_id(tokens[id_]) == id_)
        ]
        (tokenizer.add_special_tokens if is_special else tokenizer.add_tokens)(added)
