"""A model's tokenizer, loaded from its folder."""

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

from job.errors import ModelError
from job.generate.models.checkpoint import list_files
from job.generate.models.find import ModelFiles
from job.generate.models.library_errors import first_line, is_custom_code

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What a tokenizer's file needs that is not installed with transformers.
_PACKAGES = {".model": "sentencepiece", ".spm": "sentencepiece", ".tiktoken": "tiktoken"}


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
        raise ModelError(f"model {files.name!r}: {_describe_missing(files.name, folder)}")
    return tokenizer


def _describe(error: Exception, model: str, folder: Path) -> str:
    if is_custom_code(error):
        return "its tokenizer is code of its own (auto_map in tokenizer_config.json), which is never run"
    for name in list_files(model, folder):
        if name.endswith(".json"):
            try:
                json.loads((folder / name).read_bytes())
            except ValueError:
                return f"{name} is not JSON"
    if not (folder / "tokenizer.json").is_file():
        return _describe_missing(model, folder)
    return f"its tokenizer can't be loaded: {first_line(error)}"


def _describe_missing(model: str, folder: Path) -> str:
    for name in list_files(model, folder):
        package = _PACKAGES.get(Path(name).suffix)
        if package and importlib.util.find_spec(package) is None:
            return f"its {name} is read by {package}; run: pip install {package}"
    return "its tokenizer is missing; put its tokenizer.json into the folder"
