"""Weights in safetensors files, mapped into memory: only what is used is read from the disk.

The format: 8 bytes with the length of the header, the header in JSON, then the numbers.
https://github.com/huggingface/safetensors#format
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from job.errors import ModelError
from job.generate.engines.openvino.rounding import round_to_bfloat16

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
_LONGEST_HEADER = 100_000_000  # bytes, as in the safetensors library


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a file. `data` are its bytes in the mapped file."""

    dtype: str
    shape: tuple[int, ...]
    data: NDArray[np.uint8]

    def to_float32(self) -> NDArray[np.float32]:
        """The numbers: the mapped file itself if it holds float32, else a copy."""
        if self.dtype == "F32":
            numbers = self.data.view(np.float32)
        elif self.dtype == "F16":
            numbers = self.data.view(np.float16).astype(np.float32)
        else:  # bfloat16 is the upper half of a float32
            numbers = (self.data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        return numbers.reshape(self.shape)

    def to_bfloat16(self) -> NDArray[np.uint16]:
        """The bits of the nearest bfloat16: the mapped file itself if it holds those, else a copy."""
        if self.dtype == "BF16":
            return self.data.view(np.uint16).reshape(self.shape)
        return round_to_bfloat16(self.to_float32())


def open_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a model's folder by name. Raises ModelError: none, or a file is broken."""
    index = folder / INDEX
    if (folder / WEIGHTS).is_file():  # transformers takes this one, too, where a folder has both
        names = [WEIGHTS]
    elif index.is_file():
        names = sorted(set(_read_index(index).values()))
    else:
        raise ModelError(f"{folder}: has no {WEIGHTS}")
    tensors: dict[str, Tensor] = {}
    for name in names:
        path = folder / name
        try:
            tensors |= _open_file(path)
        except OSError as error:
            raise ModelError(f"{path}: can't be read: {error.strerror or error}") from None
    return tensors


def _read_index(path: Path) -> Mapping[str, str]:
    try:
        weight_map: Mapping[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        if not all(name == Path(name).name for name in weight_map.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{path}: not an index of safetensors files") from None
    return weight_map


def _open_file(path: Path) -> dict[str, Tensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            raise ModelError(f"{path}: not a safetensors file, or cut off")
        raw = file.read(length)
    try:
        header: dict[str, Any] = json.loads(raw)
        header.pop("__metadata__", None)
        # Copy-on-write: OpenVINO takes only writable memory as it is, and writes to none of it.
        mapped = np.memmap(path, np.uint8, mode="c")[8 + length :]
        return {name: _slice(path, name, entry, mapped) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{path}: the header of the safetensors file is broken") from None


def _slice(path: Path, name: str, entry: Mapping[str, Any], mapped: NDArray[np.uint8]) -> Tensor:
    dtype, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (start, end, *shape)):
        raise ValueError
    if end > len(mapped):
        raise ModelError(f"{path}: cut off: {name} ends at byte {end} of {len(mapped)}")
    if dtype in _BYTES and end - start != math.prod(shape) * _BYTES[dtype]:
        raise ModelError(f"{path}: {name} has {end - start} bytes, not those of {list(shape)} {dtype}")
    data = mapped[start:end]
    return Tensor(dtype, shape, data if data.ctypes.data % 4 == 0 else data.copy())
