"""A compiled graph with its cache: a step over pieces of sequences gives the logits behind their last tokens.

In shapes, S is the number of pieces, V the size of the vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from job.errors import TextgenError
from job.generate.engines.openvino.architecture import Architecture
from job.generate.engines.openvino.dtypes import BFLOAT16, FLOAT32, INT8
from job.generate.engines.openvino.graph import OUTPUTS, build_graph
from job.generate.engines.openvino.paged_attention import BLOCK, Cache, Piece, step_inputs
from job.generate.engines.openvino.parameters import Tensor
from job.generate.engines.openvino.precision import Constants, cache_type, plugin_options

# Fewer rows than these are multiplied by other kernels, which add up in another order.
_FEWEST = {FLOAT32: 2, BFLOAT16: 2, INT8: 5}


@dataclass(frozen=True, slots=True)
class Logits:
    """What is behind the last token of each piece; the arrays are overwritten by the next step.

    values, indices: [S, top], the largest logits and their tokens; full: [S, V], and its sums: [S].
    """

    values: NDArray[np.float32]
    indices: NDArray[np.int32]
    full: NDArray[np.float32]
    sums: NDArray[np.float32]

    def first(self, count: int) -> "Logits":
        return Logits(*(array[:count] for array in self._arrays()))

    def take(self, places: Sequence[int]) -> "Logits":
        return Logits(*(array[list(places)] for array in self._arrays()))

    def copy(self, place: int) -> "Logits":
        """Those of one piece, for longer than the next step."""
        return Logits(*(array[place : place + 1].copy() for array in self._arrays()))

    @staticmethod
    def stack(several: "Sequence[Logits]") -> "Logits":
        return Logits(*map(np.concatenate, zip(*(logits._arrays() for logits in several), strict=True)))

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.values, self.indices, self.full, self.sums


class Network:
    """A decoder on this machine's processor, and a cache of `blocks` blocks."""

    def __init__(
        self,
        architecture: Architecture,
        tensors: dict[str, Tensor],
        place: str,
        *,
        blocks: int,
        positions: int,
        top: int,
        threads: int,
        dtype: str = FLOAT32,
    ) -> None:
        self._constants = Constants(dtype)
        graph = build_graph(architecture, tensors, place, self._constants, positions=positions, top=top)
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": str(threads),
            **plugin_options(dtype),
        }
        try:
            compiled = ov.Core().compile_model(graph, "CPU", options)
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise TextgenError(f"openvino: {str(error).strip().splitlines()[-1]}") from error
        self._positions = positions
        self._threads: int = compiled.get_property("INFERENCE_NUM_THREADS")
        sizes = (len(architecture.layers), architecture.kv_heads, architecture.head_size)
        try:
            # Its last block is for a piece that nobody asked for; see step().
            self._cache = Cache(*sizes, blocks + 1, cache_type(dtype))
        except MemoryError:
            raise TextgenError(f"{place}: no memory for a cache of {blocks * BLOCK} tokens") from None
        self._cache.bind(self._request)
        self._fewest = _FEWEST[dtype]
        self._filler = Piece([0] * self._fewest, 0, [blocks])

    def step(self, pieces: Sequence[Piece]) -> Logits:
        """Read the pieces' tokens into the cache."""
        count = len(pieces)
        if count < max(self._fewest, self._threads):
            # With fewer pieces than threads, attention divides single tokens among threads, and adds up in
            # another order: other last bits. A piece of more tokens beside them keeps it from that.
            pieces = [*pieces, self._filler]
        inputs = step_inputs(pieces)
        inputs["input_ids"] = np.concatenate([piece.token_ids for piece in pieces]).astype(np.int32)
        inputs["position_ids"] = np.concatenate(
            [
                np.arange(piece.past, piece.past + len(piece.token_ids), dtype=np.int32)
                + (self._positions if piece.is_long else 0)
                for piece in pieces
            ],
            dtype=np.int32,
        )
        last = np.cumsum([len(piece.token_ids) for piece in pieces]).astype(np.int32) - 1
        inputs["last"] = np.pad(last, (0, max(0, self._fewest - len(last))), "edge")
        for name, array in inputs.items():
            self._request.set_tensor(name, ov.Tensor(array, shared_memory=True))
        self._request.start_async()  # infer() would copy all outputs
        self._request.wait()
        return Logits(*(self._request.get_tensor(name).data[:count] for name in OUTPUTS))

    def copy_block(self, source: int, target: int) -> None:
        self._cache.copy_block(source, target)
