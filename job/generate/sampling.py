"""Drawing tokens: each sequence from a random stream of its own."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from job.errors import TextgenError

if TYPE_CHECKING:
    import torch

# Probabilities become whole numbers of this many parts, whose sums are exact on every device.
_PARTS = 2**52


def uniforms(seed: int, prompt: str, number: int, count: int) -> NDArray[np.float64]:
    """The first `count` numbers in [0, 1) of the stream of a prompt's sequence `number`: [count].

    The stream is Philox, a counter-based generator, with its key hashed from the three. So a
    sequence draws the same numbers whatever batch, order or run it is in.
    """
    key = hashlib.sha256(f"{seed}\0{number}\0{prompt}".encode()).digest()[:16]
    bits = np.random.Philox(key=int.from_bytes(key, "big"))
    raw = bits.random_raw(count)
    return (np.atleast_1d(raw) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def stack(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Streams of different lengths as one array, the short ones filled up with 0: [B, longest]."""
    table = np.zeros((len(rows), max(len(row) for row in rows)))
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


def draw(scores: "torch.Tensor", uniform: "torch.Tensor") -> "torch.Tensor":
    """The token of each row by inverting its cumulative distribution, in vocabulary order.

    scores: [B, V] logits, -inf for a token that must not come; uniform: [B] in [0, 1), float64.
    Returns [B], int64.
    Raises TextgenError where a row's logits are not numbers.
    """
    import torch

    parts = (scores.double().softmax(dim=-1) * _PARTS).long()
    reached = parts.cumsum(dim=-1)
    total = reached[:, -1:]
    if not bool((total > 0).all()):
        raise TextgenError(
            "the model's numbers are not finite: its weights are broken, or try --dtype float32"
        )
    wanted = (uniform[:, None] * total).long().minimum(total - 1)
    # The first token whose sum passes `wanted`: one of probability 0 adds nothing and never does.
    return torch.searchsorted(reached, wanted, right=True).squeeze(1)
