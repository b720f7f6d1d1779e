"""A model's config and tensors, from a folder or a GGUF file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from job.errors import ModelError
from job.generate.engines.openvino.config import Config, UnsupportedError, read_config
from job.generate.engines.openvino.parameters import Numbers, Tensor
from job.generate.engines.openvino.safetensors import INDEX, WEIGHTS, open_weights
from job.generate.models.gguf.checkpoint import open_checkpoint

_ADAPTER = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tensor that is in memory."""

    numbers: Numbers
    dtype: str = "F32"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numbers.shape

    def to_float32(self) -> Numbers:
        return self.numbers


def read_model_config(path: Path) -> Config:
    """The config of the model in a folder or a GGUF file.

    Raises ModelError if it can't be read, UnsupportedError for files that only another engine reads.
    """
    if path.is_file():
        return Config(open_checkpoint(path).config, str(path))
    if (path / _ADAPTER).exists() or not ((path / WEIGHTS).is_file() or (path / INDEX).is_file()):
        raise UnsupportedError(f"{path}: the openvino engine reads only safetensors and GGUF files")
    return read_config(path)


def open_tensors(path: Path) -> Mapping[str, Tensor]:
    """The tensors of the model in a folder, mapped, or in a GGUF file, dequantized. Raises ModelError."""
    if path.is_dir():
        return open_weights(path)
    try:
        return {name: Loaded(numbers) for name, numbers in open_checkpoint(path).load_weights()}
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
