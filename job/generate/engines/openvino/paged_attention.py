"""Attention over a cache of blocks: the one operation here that OpenVINO calls experimental.

Its inputs change from version to version, so openvino is pinned to one, and no other file knows them.
In shapes, T is the number of tokens of a step, S of its sequences, N of the cache's blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op
from openvino.op import _PagedAttentionExtension

BLOCK = 32  # tokens; the CPU's kernel has no other

_STEP_INPUTS = ("past_lens", "subsequence_begins", "block_indices", "block_indices_begins")


@dataclass(frozen=True, slots=True)
class Piece:
    """What a sequence adds in a step: tokens behind its `past` tokens, all in the cache's `blocks`.

    is_long: whether it has the rotary positions of long texts.
    """

    token_ids: Sequence[int]
    past: int
    blocks: Sequence[int]
    is_long: bool = False


class PagedAttention:
    """The operation in each layer of a graph, and the parameters of the graph that it needs."""

    def __init__(self, heads: int, kv_heads: int, head_size: int, cache_type: ov.Type) -> None:
        self.heads, self.kv_heads, self.head_size = heads, kv_heads, head_size
        self._cache_type = cache_type
        self._step = [make_parameter(name, ov.Type.i32, [-1]) for name in _STEP_INPUTS]
        self._max_context = make_parameter("max_context_len", ov.Type.i32, [])
        self._caches: list[ov.Node] = []

    @property
    def parameters(self) -> list[ov.Node]:
        return [*self._step, self._max_context, *self._caches]

    def attend(self, query: ov.Node, key: ov.Node, value: ov.Node, scale: float, window: int) -> ov.Node:
        """The next layer's attention: [T, heads * head_size].

        query: [T, heads * head_size]; key, value: [T, kv_heads * head_size]. With a `window`, a token
        sees itself and the window - 1 tokens before it; 0 means all of them.
        """
        layer = len(self._caches) // 2
        shape = [-1, self.kv_heads, BLOCK, self.head_size]
        caches = [
            make_parameter(f"{kind}_cache.{layer}", self._cache_type, shape) for kind in ("key", "value")
        ]
        self._caches += caches
        inputs = [query, key, value, *caches, *self._step, *_constants(scale, window, self._max_context)]
        node = _PagedAttentionExtension([node.output(0) for node in inputs])
        info = node.get_rt_info()
        info["num_k_heads"] = info["num_v_heads"] = self.kv_heads
        info["k_head_size"] = info["v_head_size"] = self.head_size
        return op.reshape(node.output(0), [-1, self.heads * self.head_size], special_zero=False)


def _constants(scale: float, window: int, max_context: ov.Node) -> list[ov.Node]:
    """The operation's inputs behind those of the step: all that is not used is empty or 0."""
    no_integers, no_floats = np.zeros(0, np.int32), np.zeros(0, np.float32)
    unused = {
        "score_aggregation_window": no_integers,
        "rotated_block_indices": no_integers,
        "rotation_deltas": no_integers,
        "rotation_trig_lut": no_floats,
        "xattention_threshold": no_floats,
        "xattention_block_size": np.int32(0),
        "xattention_stride": np.int32(0),
        "sinks": np.zeros((0, 0, 0, 0), np.float32),
        "adaptive_rkv_start_size": np.int32(0),
        "adaptive_rkv_evictable_sizes": no_integers,
        "adaptive_rkv_diversity_block_set_indices": no_integers,
        "adaptive_rkv_diversity_block_set_indices_begins": no_integers,
        "token_type_ids": no_integers,
        "qq_bias": np.zeros(0, np.uint8),
        "qq_bias_begins": no_integers,
    }
    alibi_slopes = op.constant(no_floats, name="alibi_slopes")
    return [
        op.constant(np.float32(scale), name="scale"),
        op.constant(np.int32(window), name="sliding_window"),
        alibi_slopes,
        max_context,
        *(op.constant(value, name=name) for name, value in unused.items()),
    ]


class Cache:
    """The keys and values of `blocks` blocks for each layer: memory is taken as blocks are written."""

    def __init__(self, layers: int, kv_heads: int, head_size: int, blocks: int, cache_type: ov.Type) -> None:
        shape, self._type = (blocks, kv_heads, BLOCK, head_size), cache_type
        names = [f"{kind}_cache.{layer}" for layer in range(layers) for kind in ("key", "value")]
        self._arrays = {name: np.zeros(shape, np.dtype(f"u{cache_type.size}")) for name in names}

    def bind(self, request: ov.InferRequest) -> None:
        """Let the request's graph read and write this cache."""
        for name, array in self._arrays.items():
            request.set_tensor(name, ov.Tensor(array, ov.Shape(array.shape), self._type))

    def copy_block(self, source: int, target: int) -> None:
        for array in self._arrays.values():
            array[target] = array[source]


def block_bytes(layers: int, kv_heads: int, head_size: int, cache_type: ov.Type) -> int:
    """The size of a block in all layers, in bytes."""
    return layers * 2 * kv_heads * BLOCK * head_size * int(cache_type.size)


def count_blocks(tokens: int) -> int:
    """How many blocks hold that many tokens of one sequence."""
    return -(-tokens // BLOCK)


def step_inputs(pieces: Sequence[Piece]) -> dict[str, NDArray[np.int32]]:
    """The parameters of a step over the pieces, whose tokens stand behind one another."""
    used = [count_blocks(piece.past + len(piece.token_ids)) for piece in pieces]
    return {
        "past_lens": np.array([piece.past for piece in pieces], np.int32),  # [S]
        "subsequence_begins": _begins([len(piece.token_ids) for piece in pieces]),  # [S + 1]
        "block_indices": np.array(
            [block for piece, count in zip(pieces, used, strict=True) for block in piece.blocks[:count]],
            np.int32,
        ),
        "block_indices_begins": _begins(used),  # [S + 1]
        "max_context_len": np.array(max(piece.past + len(piece.token_ids) for piece in pieces), np.int32),
    }


def _begins(counts: Sequence[int]) -> NDArray[np.int32]:
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int32)


def make_parameter(name: str, dtype: ov.Type, shape: Sequence[int]) -> ov.Node:
    node = op.parameter(shape, dtype, name=name)
    node.output(0).get_tensor().set_names({name})
    return node
