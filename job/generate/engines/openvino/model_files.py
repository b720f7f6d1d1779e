"""A model's config and tensors, from a folder or a GGUF file."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from job.errors import ModelError, UnsupportedError
from job.generate.engines.openvino.config import Config, read_config
from job.generate.engines.openvino.dtypes import BFLOAT16, FLOAT32, INT8
from job.generate.engines.openvino.parameters import Tensor
from job.generate.engines.openvino.rounding import round_to_bfloat16
from job.generate.engines.openvino.safetensors import INDEX, WEIGHTS, open_weights
from job.generate.models.checkpoint import ADAPTER_CONFIG
from job.generate.models.gguf.checkpoint import Checkpoint, open_checkpoint

# Of a dtype, the bytes of a number, and what safetensors calls it.
_BYTES = {FLOAT32: 4, BFLOAT16: 2, INT8: 1}
_STORED = {FLOAT32: "F32", BFLOAT16: "BF16", INT8: ""}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tensor that is in memory."""

    numbers: NDArray[np.float32]
    dtype: str = "F32"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numbers.shape

    def to_float32(self) -> NDArray[np.float32]:
        return self.numbers

    def to_bfloat16(self) -> NDArray[np.uint16]:
        return round_to_bfloat16(self.numbers)


@dataclass(frozen=True, slots=True)
class Model:
    """A model's files, whose weights are read when they are loaded."""

    path: Path
    config: Config
    checkpoint: Checkpoint | None  # of a GGUF file

    def load_tensors(self) -> dict[str, Tensor]:
        """The tensors by name: those of a folder are mapped into memory, those of a GGUF file dequantized.

        Raises ModelError for a file that is broken.
        """
        if self.checkpoint is None:
            return dict(open_weights(self.path))
        try:
            return {name: Loaded(numbers) for name, numbers in self.checkpoint.load_weights()}
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from None

    def weights_bytes(self, dtype: str) -> int:
        """How much memory the weights take in a dtype, in bytes.

        OpenVINO has them in an order of its own, beside the files' unless those are mapped as they are.
        """
        if self.checkpoint is None:
            return sum(
                math.prod(tensor.shape) * _BYTES[dtype] * (1 if tensor.dtype == _STORED[dtype] else 2)
                for tensor in open_weights(self.path).values()
            )
        count = sum(math.prod(weight.tensor.shape) for weight in self.checkpoint.weights.values())
        return count * max(2 * _BYTES[dtype], _BYTES[FLOAT32])  # they are all in float32 first


def open_model(path: Path) -> Model:
    """The model in a folder or a GGUF file.

    Raises ModelError, UnsupportedError for files that only another engine reads.
    """
    if path.is_file():
        checkpoint = open_checkpoint(path)
        return Model(path, Config(checkpoint.config, str(path)), checkpoint)
    if (path / ADAPTER_CONFIG).exists() or not ((path / WEIGHTS).is_file() or (path / INDEX).is_file()):
        raise UnsupportedError(f"{path}: the openvino engine reads only safetensors and GGUF files")
    return Model(path, read_config(path), None)
