"""A folder's or a GGUF file's tokenizer, as transformers' AutoTokenizer makes it, without transformers.

The same calls of the tokenizers library in the same order as in transformers 5.23: those of
PreTrainedTokenizerBase._from_pretrained and of TokenizersBackend.__init__. There add_bos_token and
add_eos_token have no effect beside a tokenizer.json: its post-processor says what goes around a text.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken

from job.errors import ModelError, UnsupportedError
from job.generate.models.checkpoint import CONFIG, read_json, read_json_file
from job.generate.models.gguf.tokenizer import Vocabulary
from job.generate.models.library_errors import first_line
from job.generate.models.tokenizer import FastTokenizer
from job.generate.models.tokenizer_classes import TokenizerClass, build, select_class

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
# Of tokenizer_config.json: they change what the library does in ways that are not written here.
_REFUSED = (
    "auto_map",
    "fast_tokenizer_files",
    "fix_mistral_regex",
    "gguf_file",
    "init_inputs",
    "merges",
    "post_processor",
    "tokenizer_object",
    "tokenizer_padding",
    "tokenizer_truncation",
    "trust_remote_code",
    "vocab",
)

Token = str | AddedToken


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Special tokens by name and without one, and all tokens that the configuration adds, by their ids."""

    named: Mapping[str, Token]
    unnamed: Sequence[Token] = ()
    added: Sequence[AddedToken] = ()


def read_tokenizer(model: str, folder: Path) -> FastTokenizer:
    """The tokenizer of the model's folder.

    Raises UnsupportedError for one that only transformers makes, ModelError for one that is broken.
    """
    if not (folder / TOKENIZER).is_file():
        raise UnsupportedError(f"model {model!r}: it has no {TOKENIZER}")
    config = _read(model, folder, TOKENIZER_CONFIG)
    network_config = _read(model, folder, CONFIG)
    try:
        text = (folder / TOKENIZER).read_text(encoding="utf-8")
        class_ = _select_class(config, network_config, text)
        return _build(folder, config, class_, text)
    except UnsupportedError as error:
        raise UnsupportedError(f"model {model!r}: {error}") from None
    except OSError as error:
        raise ModelError(f"model {model!r}: {TOKENIZER} can't be read: {error.strerror or error}") from None
    except Exception as error:  # the library raises what it likes
        read_json(model, TOKENIZER, lambda _: text.encode())
        raise ModelError(f"model {model!r}: its tokenizer can't be loaded: {first_line(error)}") from error


def build_tokenizer(vocabulary: Vocabulary) -> FastTokenizer:
    """The tokenizer of a GGUF file's vocabulary."""
    ids = {
        "bos_token": vocabulary.bos_id,
        "eos_token": vocabulary.stop_ids[0] if vocabulary.stop_ids else None,
        "unk_token": vocabulary.unknown_id,
        "pad_token": vocabulary.padding_id,
    }
    named = {name: vocabulary.tokens[id_] for name, id_ in ids.items() if id_ is not None}
    _add_tokens(vocabulary.tokenizer, _Tokens(named))
    return FastTokenizer(vocabulary.tokenizer, named, vocabulary.chat_template)


def _read(model: str, folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in a file; empty if there is none."""
    return read_json_file(model, folder, name) if (folder / name).is_file() else {}


def _select_class(
    config: Mapping[str, Any], network_config: Mapping[str, Any], text: str
) -> TokenizerClass | None:
    for name in _REFUSED:
        if config.get(name):
            raise UnsupportedError(f"its {TOKENIZER_CONFIG} has {name}, which transformers alone reads")
    declared = config.get("tokenizer_class") or network_config.get("tokenizer_class") or None
    return select_class(str(network_config.get("model_type")), declared, '"ByteLevel"' in text)


def _build(
    folder: Path, config: Mapping[str, Any], class_: TokenizerClass | None, text: str
) -> FastTokenizer:
    values = _read_tokens(folder, config, text)
    if class_ is None:
        backend = tokenizers.Tokenizer.from_str(text)
        padding = backend.padding
    else:
        file = json.loads(text)
        values = {**class_.defaults, **values}
        backend, padding = build(class_, file, values), file.get("padding")
    if padding:
        values.setdefault("pad_token", padding["pad_token"])
    tokens = _sort_tokens(values)
    _add_tokens(backend, tokens)
    if class_ and class_.marks_special_tokens:
        special = dict.fromkeys(map(str, (*tokens.named.values(), *tokens.unnamed)))
        backend.add_tokens([AddedToken(token, special=True) for token in special])
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = bool(config.get("split_special_tokens"))
    named = {name: str(token) for name, token in tokens.named.items()}
    return FastTokenizer(backend, named, _read_chat_template(folder, config))


def _read_tokens(folder: Path, config: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The configuration with its tokens as AddedToken, and all that are added in added_tokens_decoder."""
    values = dict(config)
    if "additional_special_tokens" in values and not values.get("extra_special_tokens"):
        values["extra_special_tokens"] = values.pop("additional_special_tokens")
    specific = {name: values.pop(name) for name in config if _is_specific(name, config[name])}
    if isinstance(values.get("extra_special_tokens"), dict):
        specific |= values.pop("extra_special_tokens")
    if specific:
        values["model_specific_special_tokens"] = specific
    if "added_tokens_decoder" in values:
        tokens = values["added_tokens_decoder"].items()
        added = [(int(id_), AddedToken(**token)) for id_, token in tokens]
    else:
        _merge_special_tokens_map(folder, values)
        added = _read_added_tokens(folder, values, text)
    values = {name: _convert(value) for name, value in values.items()} | {"added_tokens_decoder": dict(added)}
    by_text = {str(token): token for _, token in added}  # also one whose id another one has
    return values | {
        name: by_text.get(str(values[name]), values[name]) for name in _NAMES if values.get(name)
    }


def _is_specific(name: str, value: object) -> bool:
    """Whether it is a special token that only some models have."""
    return name.endswith("_token") and name not in _NAMES and isinstance(value, Token)


def _merge_special_tokens_map(folder: Path, values: dict[str, Any]) -> None:
    """Older tokenizers have their special tokens in a file of their own."""
    path = folder / "special_tokens_map.json"
    if not path.is_file():
        return
    for name, value in json.loads(path.read_bytes()).items():
        if name == "extra_special_tokens" and isinstance(value, list):
            tokens = list(values.get(name) or [])
            for each in value:
                token = AddedToken(**each, special=True) if isinstance(each, dict) else each
                if token not in tokens:
                    tokens.append(token)
            values[name] = tokens
        elif name != "extra_special_tokens" and isinstance(value, dict):
            value.pop("special", None)
            values[name] = AddedToken(**value, special=True)
        else:
            values[name] = value
    if isinstance(values.get("extra_special_tokens"), dict):
        specific = values.pop("extra_special_tokens")
        values["model_specific_special_tokens"] = values.get("model_specific_special_tokens", {}) | specific


def _read_added_tokens(folder: Path, values: Mapping[str, Any], text: str) -> list[tuple[int, AddedToken]]:
    """The tokens of the older added_tokens.json with their ids, and those of tokenizer.json."""
    added = []
    path = folder / "added_tokens.json"
    if path.is_file():
        special = {str(values[name]) for name in _NAMES if values.get(name)}
        special |= set(map(str, values.get("extra_special_tokens") or []))
        for token, id_ in json.loads(path.read_bytes()).items():
            added.append((id_, AddedToken(token, normalized=token not in special, special=token in special)))
    for token in json.loads(text)["added_tokens"]:
        id_ = token.pop("id")
        added.append((id_, AddedToken(**token)))
    return added


def _convert(value: Any) -> Any:
    """A value with each token that is written as an object in it as AddedToken."""
    if isinstance(value, list):
        return [_convert(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("__type") == "AddedToken":
        return AddedToken(**{name: each for name, each in value.items() if name != "__type"})
    return {name: _convert(each) for name, each in value.items()}


def _sort_tokens(values: Mapping[str, Any]) -> _Tokens:
    """The special tokens by name, those of some models last, and those without a name."""
    unnamed = values.get("extra_special_tokens", values.get("additional_special_tokens")) or []
    named = {name: values[name] for name in _NAMES if values.get(name) is not None}
    named |= {name: value for name, value in values.items() if _is_specific(name, value)}
    named |= values.get("model_specific_special_tokens") or {}
    for token in (*named.values(), *unnamed):
        if not isinstance(token, Token):
            raise TypeError(f"{token!r} is not a token")
    added = values["added_tokens_decoder"]
    return _Tokens(named, unnamed, [added[id_] for id_ in sorted(added)])


def _add_tokens(backend: tokenizers.Tokenizer, tokens: _Tokens) -> None:
    """Add the tokens of the configuration, and the special ones that the tokenizer does not have yet."""
    adding: list[Token] = list(tokens.added)  # also those that are there: a name makes them special
    present = backend.get_added_tokens_decoder().values()
    texts = {token.content for token in present} | set(map(str, adding))
    for token in (*tokens.named.values(), *tokens.unnamed):
        if str(token) not in texts and token not in adding:
            adding.append(token)
    names = set(map(str, tokens.named.values()))
    added = [AddedToken(token, special=True) if isinstance(token, str) else token for token in adding]
    for token in added:
        token.special = token.special or str(token) in names
    backend.add_tokens(added)


def _read_chat_template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The template in a file of its own or of tokenizer_config.json; of several, the one named default."""
    named = {path.stem: path for path in sorted((folder / "additional_chat_templates").glob("*.jinja"))}
    if (folder / "chat_template.jinja").is_file():
        named["default"] = folder / "chat_template.jinja"
    if named:
        return named["default"].read_text(encoding="utf-8") if "default" in named else None
    template = config.get("chat_template")
    if isinstance(template, list):
        template = {each["name"]: each["template"] for each in template}
    template = template.get("default") if isinstance(template, dict) else template
    if not isinstance(template, str | None):
        raise TypeError(f"chat_template is of type {type(template).__name__}, not a string")
    return template
