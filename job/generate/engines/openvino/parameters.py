"""The tensors of a model's files by the part that they are, in the sizes that config.json says."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from job.errors import ModelError, UnsupportedError
from job.generate.engines.openvino.architecture import Architecture

_FLOATS = ("F32", "F16", "BF16")
Numbers = NDArray[np.float32]
Weight = NDArray[Any]  # in float32, or the 16 bits of a bfloat16


class Tensor(Protocol):
    """A tensor of a file, wherever it is stored."""

    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def to_float32(self) -> Numbers: ...
    def to_bfloat16(self) -> NDArray[np.uint16]: ...


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer: the weight is [out, in], or [in, out] if it is `transposed`."""

    weight: Weight
    bias: Numbers | None
    transposed: bool = False

    def split(self, sizes: Sequence[int]) -> "list[Linear]":
        """Layers of `sizes` outputs each, one after the other."""
        ends = np.cumsum(sizes)[:-1]
        weights = np.split(self.weight, ends, axis=1 if self.transposed else 0)
        biases = [None] * len(sizes) if self.bias is None else np.split(self.bias, ends)
        return [
            Linear(np.ascontiguousarray(weight), bias, self.transposed)
            for weight, bias in zip(weights, biases, strict=True)
        ]


class Parameters:
    """Each tensor of the files, asked for by its part; see the names in families.py.

    The weights of linear layers and the embedding are in float32, or all in bfloat16. A tensor is taken out
    of `tensors` when it is asked for, so that its memory is free if nobody else has it.
    """

    def __init__(
        self, architecture: Architecture, tensors: dict[str, Tensor], place: str, *, bfloat16: bool
    ) -> None:
        self.place, self._architecture, self._tensors = place, architecture, tensors
        self._bfloat16 = bfloat16
        self._family = architecture.family
        # Some files name the network's parts without the class that holds them.
        prefix = self._family.prefix
        self._prefix = prefix if any(name.startswith(prefix) for name in tensors) else ""

    def embedding(self) -> Weight:  # [V, hidden]
        sizes = (self._architecture.vocab_size, self._architecture.hidden_size)
        return self._weight(self._name("embedding") + ".weight", sizes)

    def positions(self) -> Numbers:  # [context, hidden]
        sizes = (self._architecture.context_length, self._architecture.hidden_size)
        return self._tensor(self._name("positions") + ".weight", sizes)

    def head(self, embedding: Weight) -> Weight:  # [V, hidden]
        """The weight of the head. Raises UnsupportedError if it should be the embedding, and is not."""
        name, sizes = f"{self._family.head}.weight", embedding.shape
        if not self._architecture.tied:
            return self._weight(name, sizes)
        if name in self._tensors and not np.array_equal(self._weight(name, sizes), embedding):
            raise UnsupportedError(f"{self.place}: {name} differs from the embedding that it is tied to")
        return embedding

    def norm(self, part: str, layer: int = 0, size: int | None = None) -> tuple[Numbers, Numbers | None]:
        """The factors of a normalization, and what it adds, if it does: [size] each."""
        name, sizes = self._name(part, layer), (size or self._architecture.hidden_size,)
        weight = self._tensor(f"{name}.weight", sizes)
        if self._family.norm == "layer":
            return weight, self._tensor(f"{name}.bias", sizes)
        return (weight + np.float32(self._family.norm_offset)).astype(np.float32), None

    def qkv(self, layer: int) -> list[Linear]:
        """The layers that make queries, keys and values."""
        a = self._architecture
        sizes = [a.heads * a.head_size, a.kv_heads * a.head_size, a.kv_heads * a.head_size]
        if self._family.qkv == "apart":
            return [
                self._linear(part, layer, a.hidden_size, size, "qkv")
                for part, size in zip("qkv", sizes, strict=True)
            ]
        fused = self._linear("qkv", layer, a.hidden_size, sum(sizes), "qkv")
        if self._family.qkv == "by head":  # [heads, 3, head_size, in] to [3, heads, head_size, in]
            shape = (a.heads, 3, a.head_size)
            weight = fused.weight.reshape(*shape, -1).swapaxes(0, 1).reshape(fused.weight.shape)
            bias = None if fused.bias is None else fused.bias.reshape(shape).swapaxes(0, 1).reshape(-1)
            fused = Linear(weight, bias)
        return fused.split(sizes)

    def o(self, layer: int) -> Linear:
        a = self._architecture
        return self._linear("o", layer, a.heads * a.head_size, a.hidden_size, "o")

    def gate(self, layer: int) -> list[Linear]:
        """The layers that make the gate and what goes through it; without a gate only the latter."""
        a = self._architecture
        if self._family.gate_up == "stacked":
            fused = self._linear("gate_up", layer, a.hidden_size, 2 * a.intermediate_size, "mlp")
            return fused.split([a.intermediate_size] * 2)
        parts = ["gate", "up"] if self._family.gated else ["up"]
        return [self._linear(part, layer, a.hidden_size, a.intermediate_size, "mlp") for part in parts]

    def down(self, layer: int) -> Linear:
        a = self._architecture
        return self._linear("down", layer, a.intermediate_size, a.hidden_size, "mlp")

    def refuse_unread(self) -> None:
        """Raise UnsupportedError for a tensor that no part of the network is."""
        for name in self._tensors:
            if not any(fnmatchcase(name, known) for known in self._family.unused):
                raise UnsupportedError(f"{self.place}: the openvino engine does not know the tensor {name}")

    def _name(self, part: str, layer: int = 0) -> str:
        return self._prefix + self._family.names[part].format(layer)

    def _linear(self, part: str, layer: int, inputs: int, outputs: int, biases: str) -> Linear:
        name, transposed = self._name(part, layer), self._family.transposed
        weight = self._weight(f"{name}.weight", (inputs, outputs) if transposed else (outputs, inputs))
        has_bias = biases in self._architecture.biases
        bias = self._tensor(f"{name}.bias", (outputs,)) if has_bias else None
        return Linear(weight, bias, transposed)

    def _weight(self, name: str, shape: tuple[int, ...]) -> Weight:
        tensor = self._find(name, shape)
        return tensor.to_bfloat16() if self._bfloat16 else tensor.to_float32()

    def _tensor(self, name: str, shape: tuple[int, ...]) -> Numbers:
        return self._find(name, shape).to_float32()

    def _find(self, name: str, shape: tuple[int, ...]) -> Tensor:
        tensor = self._tensors.pop(name, None)
        if tensor is None:
            raise ModelError(f"{self.place}: the tensor {name} is missing")
        if tuple(tensor.shape) != shape:
            raise ModelError(
                f"{self.place}: {name} has the shape {list(tensor.shape)}, {list(shape)} by config.json"
            )
        if tensor.dtype not in _FLOATS:
            raise UnsupportedError(f"{self.place}: {name} is of the type {tensor.dtype}, which is not read")
        return tensor
