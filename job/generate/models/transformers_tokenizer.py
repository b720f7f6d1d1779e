"""A model's tokenizer, loaded from its folder by transformers."""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from job.errors import ModelError
from job.generate.models.checkpoint import list_files
from job.generate.models.find import ModelFiles
from job.generate.models.gguf.checkpoint import open_checkpoint
from job.generate.models.library_errors import first_line, is_custom_code
from job.generate.models.tokenizer import Tokenizer
from job.generate.models.tokenizer_files import build_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What a tokenizer's file needs that is not installed with transformers.
_SENTENCEPIECE = ("sentencepiece", "protobuf")
_PACKAGES = {".model": _SENTENCEPIECE, ".spm": _SENTENCEPIECE, ".tiktoken": ("tiktoken",)}

_MISSING = "its tokenizer is missing; put its tokenizer.json into the folder"


@dataclass(frozen=True, slots=True, eq=False)
class TransformersTokenizer:
    """A tokenizer of transformers."""

    backend: "PreTrainedTokenizerBase"

    @property
    def size(self) -> int:
        return len(self.backend)

    @property
    def special_tokens(self) -> Mapping[str, str]:
        return self.backend.special_tokens_map

    @property
    def chat_template(self) -> str | None:
        template = self.backend.chat_template
        return template.get("default") if isinstance(template, dict) else template

    @property
    def eos_id(self) -> int | None:
        token_id: int | None = self.backend.eos_token_id
        return token_id

    def to_json(self) -> str | None:
        backend: Any = getattr(self.backend, "backend_tokenizer", None)  # not of those that Python computes
        return None if backend is None else backend.to_str()

    def encode(self, text: str, *, add_special_tokens: bool = True) -> tuple[int, ...]:
        return tuple(self.backend(text, add_special_tokens=add_special_tokens).input_ids)

    def decode(self, token_ids: Sequence[int]) -> str:
        ids = list(token_ids)
        return str(self.backend.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def token(self, token_id: int) -> str | None:
        if not 0 <= token_id < self.size:
            return None
        token: str | None = self.backend.convert_ids_to_tokens([token_id])[0]
        return token

    def token_id(self, token: str) -> int | None:
        token_id = self.backend.convert_tokens_to_ids(token)
        # The unknown token's, if there is none
        return token_id if isinstance(token_id, int) and self.token(token_id) == token else None


def load_tokenizer(files: ModelFiles) -> Tokenizer:
    """The tokenizer; an adapter's own, if it has one. Raises ModelError if there is none, or a broken one."""
    if files.is_gguf:
        return build_tokenizer(open_checkpoint(files.path).vocabulary)
    from transformers import AutoTokenizer

    folder = files.path
    if files.adapter and (files.adapter / "tokenizer_config.json").is_file():
        folder = files.adapter
    try:
        # The same tokens wherever the folder is, and whether or not mistral-common is installed
        tokenizer = AutoTokenizer.from_pretrained(
            folder.absolute(), local_files_only=True, trust_remote_code=False, mistral_format=False
        )
    except Exception as error:  # the library raises what it likes
        raise ModelError(f"model {files.name!r}: {_describe(error, files.name, folder)}") from error
    # Without its files, the library makes a tokenizer that has special tokens alone.
    if len(tokenizer) <= len(tokenizer.get_added_vocab()):
        raise ModelError(
            f"model {files.name!r}: {_describe_package(list_files(files.name, folder)) or _MISSING}"
        )
    loaded = TransformersTokenizer(tokenizer)
    template: object = loaded.chat_template
    if not isinstance(template, str | None):
        raise ModelError(
            f"model {files.name!r}: its chat_template is of type {type(template).__name__}, not a string"
        )
    return loaded


def _describe(error: Exception, model: str, folder: Path) -> str:
    if is_custom_code(error):
        return "its tokenizer is code of its own (auto_map in tokenizer_config.json), which is never run"
    names = list_files(model, folder)
    for name in names:
        if name.endswith(".json"):
            try:
                json.loads((folder / name).read_bytes())
            except ValueError:
                return f"{name} is not JSON"
    if "tokenizer.json" not in names and not any(Path(name).suffix in _PACKAGES for name in names):
        return _MISSING
    return _describe_package(names) or f"its tokenizer can't be loaded: {first_line(error)}"


def _describe_package(names: Sequence[str]) -> str:
    """Which packages read the tokenizer's files, if one is not installed."""
    for name in names:
        packages = _PACKAGES.get(Path(name).suffix, ())
        if not all(map(_is_installed, packages)):
            return f"its {name} is read by {' and '.join(packages)}; run: pip install {' '.join(packages)}"
    return ""


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
