"""A causal language model and its tokenizer, loaded onto a device."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from job.errors import ModelError, TextgenError
from job.generate.models.find import ModelFiles
from job.generate.models.gguf.checkpoint import open_checkpoint
from job.generate.models.library_errors import first_line, loading_error
from job.generate.models.limits import read_vocabulary_size
from job.generate.models.stop_ids import select_stop_ids
from job.generate.models.tokenizer import Tokenizer
from job.generate.models.transformers_tokenizer import load_tokenizer

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to generate. `stop_ids` are the tokens that end a text."""

    files: ModelFiles
    network: Any  # a PreTrainedModel, whose generate() is not typed
    tokenizer: Tokenizer
    stop_ids: tuple[int, ...]

    @property
    def device(self) -> "torch.device":
        device: torch.device = self.network.device
        return device

    @property
    def dtype(self) -> str:
        return str(self.network.dtype).removeprefix("torch.")


def silence_transformers() -> None:
    """Turn its progress bars and messages off: textgen's errors say what is wrong in one line."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.CRITICAL)


def load_model(
    files: ModelFiles, device: str = "auto", dtype: str = "auto", tokenizer: Tokenizer | None = None
) -> Model:
    """Load the model onto the device; its tokenizer, too, unless it is given. Its code is never run.

    Raises ModelError: not a causal language model, broken or incomplete files, no such device;
    TextgenError if the device has no memory for it.
    """
    import torch
    from transformers import GenerationConfig

    silence_transformers()
    torch_device = select_device(device)
    if torch_device.index is not None:
        torch.cuda.set_device(torch_device)  # kernels of other libraries take the current one
    try:
        network = _load_network(files, dtype, torch_device)
        network.to(torch_device).eval()
        tokenizer = tokenizer or load_tokenizer(files)
    except TextgenError:
        raise
    except Exception as error:  # the libraries raise what they like for a broken file
        raise loading_error(error, files.name, torch_device) from error
    vocabulary_size = read_vocabulary_size(network.config)
    ends = (network.generation_config.eos_token_id, tokenizer.eos_id)
    stop_ids = select_stop_ids(files.name, ends, vocabulary_size)
    # A model's own sampling settings would fill in what textgen's leave out.
    network.generation_config = GenerationConfig()
    return Model(files, network, tokenizer, stop_ids)


def _load_network(files: ModelFiles, dtype: str, device: "torch.device") -> Any:
    from transformers import AutoModelForCausalLM

    if files.is_gguf:
        from job.generate.models.load_gguf import load_gguf

        return load_gguf(files.path, _select_dtype(dtype, device))
    config = read_config(files)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        files.path,
        config=config,
        dtype="auto" if _keeps_dtype(dtype, config) else _select_dtype(dtype, device),
        local_files_only=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # told below, with their names
        output_loading_info=True,
    )
    network, info = loaded
    if mismatched := sorted(info["mismatched_keys"]):
        tensor, in_file, in_network = mismatched[0]
        raise ModelError(
            f"model {files.name!r}: {tensor} is {list(in_file)} in the weights, and {list(in_network)} by "
            f"config.json"
        )
    if missing := sorted(info["missing_keys"]):
        raise ModelError(f"model {files.name!r}: weights are missing, for example {missing[0]}")
    if files.adapter and files.adapter != files.path:  # transformers applies one beside the weights
        network.load_adapter(str(files.adapter))
    return network


def read_config(files: ModelFiles) -> Any:
    """The model's configuration, as transformers'. Raises ModelError if it is not that of a causal model."""
    from transformers import AutoConfig

    if files.is_gguf:
        return AutoConfig.for_model(**open_checkpoint(files.path).config)
    try:
        config = AutoConfig.from_pretrained(files.path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises what it likes for a broken file
        raise loading_error(error, files.name, "cpu") from error
    _check_causal(files, config)
    return config


def name_dtype(name: str, device: "torch.device", config: Any) -> str:
    """The name of the type in which a network of the configuration computes."""
    dtype = config.dtype if _keeps_dtype(name, config) else _select_dtype(name, device)
    return str(dtype).removeprefix("torch.")


def _keeps_dtype(name: str, config: Any) -> bool:
    """Quantized networks compute in the type that they were saved with, and fail in others."""
    return name == "auto" and getattr(config, "quantization_config", None) is not None


def _check_causal(files: ModelFiles, config: Any) -> None:
    """Raise ModelError for another kind of model.

    AutoModelForCausalLM would also take a masked language model, and put an untrained head on it.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    # Case is ignored: older checkpoints have LLaMAForCausalLM.
    causal = {name.lower() for name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()}
    architectures = config.architectures or ()
    if architectures and causal.isdisjoint(name.lower() for name in architectures):
        raise ModelError(f"model {files.name!r}: {architectures[0]} is not a causal language model")


def list_devices(name: str) -> list[str]:
    """The devices of a name of the settings: of auto and cuda all GPUs.

    Raises ModelError for one that is not there.
    """
    import torch

    kind, _, numbers = name.partition(":")
    if name == "auto":
        kind = select_device(name).type
    if kind != "cuda":
        return [kind]
    named = numbers.split(",") if numbers else range(torch.cuda.device_count())
    devices = list(dict.fromkeys(f"cuda:{number}" for number in named)) or [kind]
    for device in devices:
        select_device(device)
    return devices


def select_device(name: str) -> "torch.device":
    """The device of a name of the settings. Raises ModelError if this machine has none."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "mps" and not torch.mps.is_available():
        raise ModelError("device mps: not on this machine; use --device auto")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"device {name}: torch can't use one here: {read_cuda_error()}; use --device auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ModelError(f"device {name}: this machine has {count} CUDA devices; use --device auto")
    return device


def read_cuda_error() -> str:
    """Why torch can't use a GPU: there is no driver, it is too old, or torch was built without CUDA."""
    from torch import cuda

    init: Any = cuda.init
    try:
        init()
    except Exception as error:  # AssertionError, RuntimeError
        return first_line(error).partition(". ")[0]
    return "it finds none"


def _select_dtype(name: str, device: "torch.device") -> "torch.dtype":
    import torch

    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype
