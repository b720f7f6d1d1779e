"""A model's config and tensors, from a folder or a GGUF file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from job.errors import ModelError, UnsupportedError
from job.generate.engines.openvino.config import Config, read_config
from job.generate.engines.openvino.parameters import Numbers, Tensor
from job.generate.engines.openvino.rounding import round_to_bfloat16
from job.generate.engines.openvino.safetensors import INDEX, WEIGHTS, open_weights
from job.generate.models.checkpoint import ADAPTER_CONFIG
from job.generate.models.gguf.checkpoint import Checkpoint, open_checkpoint


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

    def to_bfloat16(self) -> NDArray[np.uint16]:
        return round_to_bfloat16(self.numbers)


def open_model(path: Path) -> tuple[Config, Callable[[], Mapping[str, Tensor]]]:
    """The config of the model in a folder or a GGUF file, and what loads its tensors.

    Of a folder the tensors are mapped, of a GGUF file dequantized. Raises ModelError, also when the
    tensors are loaded; UnsupportedError for files that only another engine reads.
    """
    if path.is_file():
        checkpoint = open_checkpoint(path)
        return Config(checkpoint.config, str(path)), lambda: _dequantize(checkpoint, path)
    if (path / ADAPTER_CONFIG).exists() or not ((path / WEIGHTS).is_file() or (path / INDEX).is_file()):
        raise UnsupportedError(f"{path}: the openvino engine reads only safetensors and GGUF files")
    return read_config(path), lambda: open_weights(path)


def _dequantize(checkpoint: Checkpoint, path: Path) -> Mapping[str, Tensor]:
    try:
        return {name: Loaded(numbers) for name, numbers in checkpoint.load_weights()}
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
