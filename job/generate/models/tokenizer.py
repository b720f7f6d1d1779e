"""A model's tokenizer, loaded from its folder."""

import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from job.errors import ModelError
from job.generate.models.checkpoint import list_files
from job.generate.models.find import ModelFiles
from job.generate.models.library_errors import first_line, is_custom_code

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What a tokenizer's file needs that is not installed with transformers.
_SENTENCEPIECE = ("sentencepiece", "protobuf")
_PACKAGES = {".model": _SENTENCEPIECE, ".spm": _SENTENCEPIECE, ".tiktoken": ("tiktoken",)}

_MISSING = "its tokenizer is missing; put its tokenizer.json into the folder"


def load_tokenizer(files: ModelFiles) -> "PreTrainedTokenizerBase":
    """The tokenizer; an adapter's own, if it has one. Raises ModelError if there is none, or a broken one."""
    from transformers import AutoTokenizer

    folder = files.path
    if files.adapter and (files.adapter / "tokenizer_config.json").is_file():
        folder = files.adapter
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises what it likes
        raise ModelError(f"model {files.name!r}: {_describe(error, files.name, folder)}") from error
    # Without its files, the library makes a tokenizer that has special tokens alone.
    if len(tokenizer) <= len(tokenizer.get_added_vocab()):
        raise ModelError(
            f"model {files.name!r}: {_describe_package(list_files(files.name, folder)) or _MISSING}"
        )
    return tokenizer


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
