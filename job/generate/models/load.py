"""A causal language model and its tokenizer, found by name and loaded onto a device."""

import hashlib
import importlib.util
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from job.errors import ModelError
from job.generate.models import gguf, hub

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_READ = (*_WEIGHTS, "*.json", "*.txt", "*.model", "*.jinja")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model lies: its folder, and the commit or the digest of what is in there."""

    name: str
    revision: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to generate. `stop_ids` are the tokens that end a text."""

    source: Source
    network: Any  # a PreTrainedModel, whose generate() is not typed
    tokenizer: "PreTrainedTokenizerBase"
    stop_ids: tuple[int, ...]
    context_length: int | None

    @property
    def device(self) -> "torch.device":
        device: torch.device = self.network.device
        return device

    @property
    def dtype(self) -> str:
        return str(self.network.dtype).removeprefix("torch.")


def find(name: str, revision: str = "") -> Source:
    """Where the model `name` lies: embedded, a GGUF file, a folder, or on the hub; in this order.

    Fetches or converts it if need be. Raises ModelError; never takes another model instead.
    """
    if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
        raise ModelError("torch and transformers are not installed; install the extra: argo-textgen[job]")
    prepare()
    path = Path(name).expanduser()
    embedded = name in gguf.EMBEDDED
    if embedded or path.is_file():
        _no_revision(name, revision)
        if not embedded and path.suffix.lower() != ".gguf":
            raise ModelError(f"model {name!r}: a file, but not a .gguf; name the folder it lies in")
        folder = gguf.convert(gguf.embedded(name) if embedded else path, name if embedded else path.stem)
        return Source(name, folder.name.rpartition("-")[2], folder)
    if path.is_dir():
        _no_revision(name, revision)
        if not (path / "config.json").is_file():
            raise ModelError(f"model {name!r}: a folder, but without a config.json")
        return Source(name, _digest(path), path)
    if name.startswith((".", "/", "~")) or path.suffix.lower() == ".gguf":
        raise ModelError(f"model {name!r}: no such file or folder")
    folder = hub.fetch(name, revision)
    return Source(name, folder.name, folder)


def load(source: Source, device: str = "auto", dtype: str = "auto") -> Model:
    """Load the model onto the device.

    Raises ModelError: not a causal language model, broken or incomplete files, no such device.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    prepare()
    place = _device(device)
    try:
        config = AutoConfig.from_pretrained(source.folder, local_files_only=True)
        _causal(source, config)
        tokenizer = AutoTokenizer.from_pretrained(source.folder, local_files_only=True)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source.folder,
            config=config,
            dtype=_dtype(dtype, place),
            local_files_only=True,
            output_loading_info=True,
        )
    except (ModelError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the libraries raise what they like for a broken file
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"model {source.name!r}: can't be loaded: {reason or type(error).__name__}"
        ) from error
    network, info = loaded
    if missing := sorted(info["missing_keys"]):
        raise ModelError(f"model {source.name!r}: weights are missing, {missing[0]} for one")
    network.to(place).eval()
    stop_ids = _stop_ids(network.generation_config.eos_token_id, tokenizer.eos_token_id)
    # The model's own taste in sampling would fill what our settings leave out.
    network.generation_config = GenerationConfig()
    return Model(
        source=source,
        network=network,
        tokenizer=tokenizer,
        stop_ids=stop_ids,
        context_length=getattr(config.get_text_config(), "max_position_embeddings", None),
    )


def prepare() -> None:
    """Before the libraries are imported: keep their bars, hints and warnings from the user.

    Our errors say it in a line.
    """
    # Read when the libraries are imported.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Read when torch is: waiting threads that spin longer starve each other on a busy machine, tenfold.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from transformers.utils import logging as chatter

    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    for name in ("huggingface_hub", "transformers"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _no_revision(name: str, revision: str) -> None:
    if revision:
        raise ModelError(f"model {name!r}: only a model on the hub has revisions; leave out {revision!r}")


def _digest(folder: Path) -> str:
    """A digest of the files that loading reads."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _READ for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _causal(source: Source, config: Any) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    # AutoModelForCausalLM would also take a masked language model, and put an untrained head on it.
    known = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    named = config.architectures or ()
    if named and not known.intersection(named):
        raise ModelError(f"model {source.name!r}: {named[0]} is not a causal language model")


def _device(wanted: str) -> "torch.device":
    import torch

    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu"
    device = torch.device(wanted)
    if device.type == "mps" and not torch.mps.is_available():
        raise ModelError("device mps: not on this machine; use --device auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ModelError(f"device {wanted}: this machine has {count} CUDA devices; use --device auto")
    return device


def _dtype(wanted: str, device: "torch.device") -> "torch.dtype":
    import torch

    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    dtype: torch.dtype = getattr(torch, wanted)
    return dtype


def _stop_ids(*ends: int | list[int] | None) -> tuple[int, ...]:
    end = next((end for end in ends if end is not None), ())
    return (end,) if isinstance(end, int) else tuple(end)


@click.command()
@click.argument("name")
@click.option("--revision", default="", help="Branch, tag or commit of a model on the hub.")
def command(name: str, revision: str) -> None:
    """Make the model NAME ready, converting or downloading it if need be, and print its folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        click.echo(find(name, revision).folder)
