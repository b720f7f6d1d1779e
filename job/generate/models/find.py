"""Finding a causal language model: its name becomes a folder or a GGUF file that can be loaded."""

import hashlib
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from job.errors import ModelError
from job.generate.models import hub
from job.generate.models.checkpoint import (
    ADAPTER_CONFIG,
    CONFIG,
    check_folder,
    check_no_pointer,
    list_files,
    read_json_file,
)
from job.generate.models.embedded import EMBEDDED, find_embedded
from job.generate.models.gguf.file import list_parts


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's files: a folder, or a GGUF file. `revision` is its commit on the hub, elsewhere a digest.

    adapter: the folder of a LoRA adapter that goes onto the model, if it has one.
    """

    name: str
    revision: str
    path: Path
    adapter: Path | None = None

    @property
    def is_gguf(self) -> bool:
        return self.path.is_file()


def find_model(name: str, revision: str = "") -> ModelFiles:
    """The files of the model `name`: embedded, a GGUF file, a folder, or on the hub; in this order.

    Downloads it if need be. Raises ModelError; never takes another model instead.
    """
    files = _find_files(name, revision)
    return _with_adapter(files) if (files.path / ADAPTER_CONFIG).is_file() else files


def _find_files(name: str, revision: str) -> ModelFiles:
    _configure_libraries()
    path = Path(name).expanduser()
    if name in EMBEDDED:
        path = find_embedded(name)
    if path.is_file():
        _refuse_revision(name, revision)
        if path.suffix.lower() != ".gguf":
            raise ModelError(f"model {name!r}: not a .gguf file; give one, or the model's folder")
        parts = list_parts(path)
        for part in parts:
            check_no_pointer(name, part)
        return ModelFiles(name, _digest(parts), path)
    if path.is_dir():
        _refuse_revision(name, revision)
        check_folder(name, path)
        return ModelFiles(name, _digest([path / file for file in list_files(name, path)]), path)
    if name.startswith((".", "/", "~")) or path.suffix.lower() == ".gguf":
        raise ModelError(f"model {name!r}: no such file or folder")
    folder = hub.fetch(name, revision)
    return ModelFiles(name, folder.name, folder)


def _configure_libraries() -> None:
    """Set what torch and the hub's library read when they are imported.

    Progress bars, hints and warnings are off: textgen's errors say what is wrong in one line.
    """
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Waiting threads that spin longer starve each other on a busy machine, tenfold.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)


def _refuse_revision(name: str, revision: str) -> None:
    if revision:
        raise ModelError(f"model {name!r}: only a model on the hub has revisions; leave out {revision!r}")


def _with_adapter(files: ModelFiles) -> ModelFiles:
    """The adapter of the folder, and the files of the model that it goes onto."""
    config = read_json_file(files.name, files.path, ADAPTER_CONFIG)
    base_name = config.get("base_model_name_or_path")
    if importlib.util.find_spec("peft") is None:
        raise ModelError(
            f"model {files.name!r}: it is a LoRA adapter of {base_name!r} ({ADAPTER_CONFIG}), "
            "which is applied by peft; run: pip install peft"
        )
    if (files.path / CONFIG).is_file():
        return replace(files, adapter=files.path)
    if not isinstance(base_name, str):
        raise ModelError(f"model {files.name!r}: {ADAPTER_CONFIG} has no base_model_name_or_path")
    base = _find_files(base_name, "")
    if base.is_gguf:
        raise ModelError(
            f"model {files.name!r}: it is an adapter of a GGUF file ({base_name}), which takes none"
        )
    if (base.path / ADAPTER_CONFIG).is_file():
        raise ModelError(f"model {files.name!r}: it is an adapter of {base_name!r}, which has one itself")
    return ModelFiles(files.name, f"{files.revision}+{base.revision}", base.path, files.path)


def _digest(paths: Iterable[Path]) -> str:
    """A digest of the files that loading reads."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


@click.command()
@click.argument("name")
@click.option("--revision", default="", help="Branch, tag or commit of a model on the hub.")
def command(name: str, revision: str) -> None:
    """Download the model NAME if need be, and print its folder or GGUF file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        click.echo(find_model(name, revision).path)
