"""Finding a causal language model: its name becomes a folder or a GGUF file that can be loaded."""

import hashlib
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from job.errors import ModelError
from job.generate.models import hub
from job.generate.models.embedded import EMBEDDED, find_embedded
from job.generate.models.gguf.file import list_parts

_LOADED_FILES = ("*.safetensors", "pytorch_model*.bin", "*.json", "*.txt", "*.model", "*.jinja")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's files: a folder, or a GGUF file. `revision` is its commit on the hub, elsewhere a digest."""

    name: str
    revision: str
    path: Path

    @property
    def is_gguf(self) -> bool:
        return self.path.is_file()


def find_model(name: str, revision: str = "") -> ModelFiles:
    """The files of the model `name`: embedded, a GGUF file, a folder, or on the hub; in this order.

    Downloads it if need be. Raises ModelError; never takes another model instead.
    """
    if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
        raise ModelError("torch and transformers are not installed; install the extra: argo-textgen[job]")
    configure_libraries()
    path = Path(name).expanduser()
    if name in EMBEDDED:
        path = find_embedded(name)
    if path.is_file():
        _refuse_revision(name, revision)
        if path.suffix.lower() != ".gguf":
            raise ModelError(f"model {name!r}: not a .gguf file; give one, or the model's folder")
        return ModelFiles(name, _digest(list_parts(path)), path)
    if path.is_dir():
        _refuse_revision(name, revision)
        if not (path / "config.json").is_file():
            raise ModelError(f"model {name!r}: the folder has no config.json")
        loaded = {file for pattern in _LOADED_FILES for file in path.glob(pattern)}
        return ModelFiles(name, _digest(sorted(loaded)), path)
    if name.startswith((".", "/", "~")) or path.suffix.lower() == ".gguf":
        raise ModelError(f"model {name!r}: no such file or folder")
    folder = hub.fetch(name, revision)
    return ModelFiles(name, folder.name, folder)


def configure_libraries() -> None:
    """Set what torch and transformers read when they are imported; call this before.

    Their progress bars, hints and warnings are off: textgen's errors say what is wrong in one line.
    """
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Waiting threads that spin longer starve each other on a busy machine, tenfold.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for name in ("huggingface_hub", "transformers"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _refuse_revision(name: str, revision: str) -> None:
    if revision:
        raise ModelError(f"model {name!r}: only a model on the hub has revisions; leave out {revision!r}")


def _digest(paths: Iterable[Path]) -> str:
    """A digest of the files that loading reads."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        except OSError as error:
            raise ModelError(f"{path}: can't be read: {error.strerror or error}") from None
    return digest.hexdigest()[:16]


@click.command()
@click.argument("name")
@click.option("--revision", default="", help="Branch, tag or commit of a model on the hub.")
def command(name: str, revision: str) -> None:
    """Download the model NAME if need be, and print its folder or GGUF file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        click.echo(find_model(name, revision).path)
