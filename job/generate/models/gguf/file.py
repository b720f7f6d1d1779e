"""A GGUF file's keys and tensors, mapped into memory.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The gguf package dequantizes. Its own
reader takes two seconds for a vocabulary of 50,000 tokens, and reads no split file.
"""

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from job.errors import ModelError

Array = np.ndarray[Any, np.dtype[Any]]

_PART = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})(?P<suffix>\.gguf)", re.IGNORECASE)

_STRING, _ARRAY = 8, 9
# The number of a value's type, and how numpy calls it.
_NUMBERS: dict[int, np.dtype[Any]] = {
    0: np.dtype("<u1"),
    1: np.dtype("<i1"),
    2: np.dtype("<u2"),
    3: np.dtype("<i2"),
    4: np.dtype("<u4"),
    5: np.dtype("<i4"),
    6: np.dtype("<f4"),
    7: np.dtype("?"),
    10: np.dtype("<u8"),
    11: np.dtype("<i8"),
    12: np.dtype("<f8"),
}


_LENGTH = struct.Struct("<Q")  # of a string

_STEP_BYTES = 256 << 10  # fits a core's own cache


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as it lies in the file. `shape` is numpy's: its last dimension is contiguous."""

    name: str
    shape: tuple[int, ...]
    type: gguf.GGMLQuantizationType
    data: Array  # bytes: [..., bytes of a row]

    def dequantize(self) -> Array:
        """The tensor in float32; a view of the file, if it is that there. Raises ModelError.

        A few rows at a time: the package alone would hold the tensor twice.
        """
        try:
            if self.type == gguf.GGMLQuantizationType.F32:
                return np.asarray(gguf.dequantize(self.data, self.type))
            rows = self.data.reshape(-1, self.data.shape[-1])
            array = np.empty((len(rows), self.shape[-1]), np.float32)
            step = max(1, _STEP_BYTES // (4 * self.shape[-1] or 1))
            for start in range(0, len(rows), step):
                part = slice(start, start + step)
                if self.type == gguf.GGMLQuantizationType.Q4_1:
                    _dequantize_q4_1(rows[part], array[part])
                else:
                    array[part] = gguf.dequantize(rows[part], self.type)
            return array.reshape(self.shape)
        except NotImplementedError:
            raise ModelError(
                f"the tensor {self.name} is of the type {self.type.name}, which is not read"
            ) from None


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A model's keys and tensors. Values are numbers, strings, and lists of them."""

    keys: dict[str, Any]
    tensors: dict[str, Tensor]


def _dequantize_q4_1(rows: Array, numbers: Array) -> None:
    """The package's dequantization to the bit, in a third of the time: it is the embedded model's type.

    rows: [R, bytes], numbers: [R, N], which are written.
    """
    blocks = rows.reshape(len(rows), -1, 20)  # factor, offset, and 16 bytes of two numbers each
    out = numbers.reshape(len(rows), -1, 32)
    scales = np.ascontiguousarray(blocks[..., :4]).view(np.float16).astype(np.float32)
    pairs = blocks[..., 4:]
    out[..., :16] = pairs & 15
    out[..., 16:] = pairs >> 4
    out *= scales[..., :1]
    out += scales[..., 1:]


def list_parts(path: Path) -> list[Path]:
    """The files of the model: `path` alone, or all parts if it is named like NAME-00001-of-00002.gguf.

    Raises ModelError if a part is missing.
    """
    name = _PART.fullmatch(path.name)
    if not name:
        return [path]
    parts = []
    for number in range(1, int(name["count"]) + 1):
        parts.append(path.with_name(f"{name['stem']}-{number:05}-of-{name['count']}{name['suffix']}"))
        if not parts[-1].is_file():
            raise ModelError(f"{path}: the model's part {parts[-1].name} is not beside it")
    return parts


def read_file(path: Path) -> GgufFile:
    """The keys and tensors of the GGUF file at `path`, and of the other parts if it is one of several.

    Raises ModelError: not a GGUF file, torn, or a part is missing.
    """
    paths = list_parts(path)
    parts = [_read_part(part) for part in paths]
    file = parts[0]
    for number, (part_path, part) in enumerate(zip(paths, parts, strict=True)):
        _check_part(part_path, part, number, len(parts))
        if part is file:
            continue
        for key, value in part.keys.items():
            if not key.startswith("split.") and file.keys.get(key) != value:
                raise ModelError(f"{part_path}: the key {key} is not that of the first part")
        if both := sorted(file.tensors.keys() & part.tensors.keys()):
            raise ModelError(f"{part_path}: the tensor {both[0]} is in an earlier part, too")
        file.tensors.update(part.tensors)
    count = file.keys.get("split.tensors.count", len(file.tensors))
    if count != len(file.tensors):
        raise ModelError(f"{path}: {len(file.tensors)} tensors, and split.tensors.count is {count}")
    return file


def _check_part(path: Path, part: GgufFile, number: int, count: int) -> None:
    own_number, own_count = part.keys.get("split.no", 0), part.keys.get("split.count", 0) or 1
    if (own_number, own_count) != (number, count):
        raise ModelError(
            f"{path}: by its keys split.no and split.count it is part {own_number + 1} of {own_count}; "
            f"name the parts NAME-00001-of-{own_count:05}.gguf and so on"
        )


def _read_part(path: Path) -> GgufFile:
    try:
        # copy-on-write, because torch warns of memory that can't be written
        return _Reader(np.memmap(path, np.uint8, "c")).read()
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror or error}") from None
    except (struct.error, ValueError, OverflowError, MemoryError) as error:
        raise ModelError(f"{path}: not a GGUF file that can be read: {error}") from None


class _Reader:
    """Reads a file from its beginning to its end. Raises ValueError."""

    def __init__(self, data: Array) -> None:
        self.data, self.bytes, self.position = data, memoryview(data.data), 0

    def read(self) -> GgufFile:
        if bytes(self._take(4)) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version = self._number("<I")
        if version not in (2, 3):
            raise ValueError(f"version {version}, or big-endian; only 2 and 3 are read")
        tensor_count, key_count = self._number("<Q"), self._number("<Q")
        keys: dict[str, Any] = {}
        for _ in range(key_count):
            key = self._string()
            if key in keys:
                raise ValueError(f"the key {key} is there twice")
            keys[key] = self._value(self._number("<I"))
        described = [self._describe_tensor() for _ in range(tensor_count)]
        alignment = keys.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1:
            raise ValueError(f"general.alignment is {alignment}")
        start = math.ceil(self.position / alignment) * alignment
        tensors = {name: self._tensor(name, shape, type_, start + at) for name, shape, type_, at in described}
        if len(tensors) < tensor_count:
            raise ValueError("two of its tensors have one name")
        return GgufFile(keys, tensors)

    def _take(self, size: int) -> memoryview:
        end = self.position + size
        if end > len(self.bytes):
            raise ValueError(f"it ends at byte {len(self.bytes)}, in the middle")
        taken = self.bytes[self.position : end]
        self.position = end
        return taken

    def _number(self, code: str) -> int:
        (number,) = struct.unpack(code, self._take(struct.calcsize(code)))
        return int(number)

    def _string(self) -> str:
        return self._strings(1)[0]

    def _strings(self, count: int) -> list[str]:
        """In one loop: a vocabulary and its merges are a hundred thousand."""
        texts, position = [], self.position
        try:
            for _ in range(count):
                (length,) = _LENGTH.unpack_from(self.bytes, position)
                position += _LENGTH.size + length
                texts.append(str(self.bytes[position - length : position], "utf-8"))
        except (struct.error, OverflowError):
            position = len(self.bytes) + 1
        self._take(position - self.position)
        return texts

    def _value(self, type_: int) -> Any:
        if type_ == _STRING:
            return self._string()
        if type_ != _ARRAY:
            return self._numbers(type_, 1)[0]
        item, count = self._number("<I"), self._number("<Q")
        return self._strings(count) if item == _STRING else self._numbers(item, count)

    def _numbers(self, type_: int, count: int) -> list[Any]:
        if type_ not in _NUMBERS:
            raise ValueError(f"a value of the unknown type {type_}")
        dtype = _NUMBERS[type_]
        return list(np.frombuffer(self._take(count * dtype.itemsize), dtype).tolist())

    def _describe_tensor(self) -> tuple[str, tuple[int, ...], gguf.GGMLQuantizationType, int]:
        name = self._string()
        dimensions = [self._number("<Q") for _ in range(self._number("<I"))]
        type_ = gguf.GGMLQuantizationType(self._number("<I"))
        return name, tuple(reversed(dimensions)), type_, self._number("<Q")

    def _tensor(
        self, name: str, shape: tuple[int, ...], type_: gguf.GGMLQuantizationType, start: int
    ) -> Tensor:
        block_size, block_bytes = gguf.GGML_QUANT_SIZES[type_]
        if not shape or shape[-1] % block_size:
            raise ValueError(f"the tensor {name} of the shape {list(shape)} is not made of {type_.name}")
        byte_shape = (*shape[:-1], shape[-1] // block_size * block_bytes)
        end = start + math.prod(byte_shape)
        if end > len(self.data):
            raise ValueError(f"it ends at byte {len(self.data)}, before the end of the tensor {name}")
        return Tensor(name, shape, type_, self.data[start:end].reshape(byte_shape))
