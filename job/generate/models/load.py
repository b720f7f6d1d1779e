"""A causal language model and its tokenizer, loaded onto a device."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from job.errors import ModelError
from job.generate.models.find import ModelFiles, configure_libraries

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to generate. `stop_ids` are the tokens that end a text."""

    files: ModelFiles
    network: Any  # a PreTrainedModel, whose generate() is not typed
    tokenizer: "PreTrainedTokenizerBase"
    stop_ids: tuple[int, ...]
    context_length: int | None  # tokens

    @property
    def device(self) -> "torch.device":
        device: torch.device = self.network.device
        return device

    @property
    def dtype(self) -> str:
        return str(self.network.dtype).removeprefix("torch.")


def load_model(files: ModelFiles, device: str = "auto", dtype: str = "auto") -> Model:
    """Load the model onto the device.

    Raises ModelError: not a causal language model, broken or incomplete files, no such device.
    """
    import torch
    from transformers import GenerationConfig

    configure_libraries()
    torch_device = _select_device(device)
    try:
        load = _load_gguf if files.is_gguf else _load_folder
        network, tokenizer = load(files, _select_dtype(dtype, torch_device))
    except (ModelError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the libraries raise what they like for a broken file
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"model {files.name!r}: can't be loaded: {reason or type(error).__name__}"
        ) from error
    network.to(torch_device).eval()
    stop_ids = _stop_ids(network.generation_config.eos_token_id, tokenizer.eos_token_id)
    # A model's own sampling settings would fill in what textgen's leave out.
    network.generation_config = GenerationConfig()
    context_length = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    return Model(files, network, tokenizer, stop_ids, context_length)


def _load_gguf(files: ModelFiles, dtype: "torch.dtype") -> "tuple[Any, PreTrainedTokenizerBase]":
    from job.generate.models.load_gguf import load_gguf

    return load_gguf(files.path, dtype)


def _load_folder(files: ModelFiles, dtype: "torch.dtype") -> "tuple[Any, PreTrainedTokenizerBase]":
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    config = AutoConfig.from_pretrained(files.path, local_files_only=True)
    _check_causal(files, config)
    tokenizer = AutoTokenizer.from_pretrained(files.path, local_files_only=True)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        files.path, config=config, dtype=dtype, local_files_only=True, output_loading_info=True
    )
    network, info = loaded
    if missing := sorted(info["missing_keys"]):
        raise ModelError(f"model {files.name!r}: weights are missing, for example {missing[0]}")
    return network, tokenizer


def _check_causal(files: ModelFiles, config: Any) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    # AutoModelForCausalLM would also take a masked language model, and put an untrained head on it.
    architectures = config.architectures or ()
    if architectures and not set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()).intersection(architectures):
        raise ModelError(f"model {files.name!r}: {architectures[0]} is not a causal language model")


def _select_device(name: str) -> "torch.device":
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "mps" and not torch.mps.is_available():
        raise ModelError("device mps: not on this machine; use --device auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ModelError(f"device {name}: this machine has {count} CUDA devices; use --device auto")
    return device


def _select_dtype(name: str, device: "torch.device") -> "torch.dtype":
    import torch

    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _stop_ids(*eos_token_ids: int | list[int] | None) -> tuple[int, ...]:
    """The first that is set: the model's, else its tokenizer's."""
    ids = next((ids for ids in eos_token_ids if ids is not None), ())
    return (ids,) if isinstance(ids, int) else tuple(ids)
