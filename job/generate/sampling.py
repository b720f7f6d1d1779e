"""Sampling of tokens: each text from a random stream of its own."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from job.errors import TextgenError
from job.generate.settings import Settings

if TYPE_CHECKING:
    import torch

# A probability is a whole number of this many parts: sums of them are exact on every device.
PARTS = 2**52

NOT_FINITE = "the model's numbers are not finite: its weights are broken, or try --dtype float32"


def uniforms(seed: int, prompt: str, sequence: int, count: int) -> NDArray[np.float64]:
    """The first `count` numbers in [0, 1) of the random stream of a prompt's text number `sequence`: [count].

    The stream is Philox, a counter-based generator, with its key hashed from the three. So a
    text draws the same numbers in any batch, order or run.
    """
    key = _digest(seed, prompt, sequence)[:16]
    generator = np.random.Philox(key=int.from_bytes(key, "big"))
    raw = generator.random_raw(count)
    return (np.atleast_1d(raw) >> np.uint64(11)).astype(np.float64) * 2.0**-53


@lru_cache(maxsize=1024)
def select_sampling(settings: Settings) -> Settings:
    """The settings that say how a token is drawn: equal for rows that differ in other ones alone."""
    return replace(
        settings,
        seed=0,
        max_new_tokens=0,
        min_new_tokens=0,
        num_return_sequences=1,
        stop=(),
        ignore_eos=False,
        bad_words=(),
        json_schema="",
        regex="",
        choices=(),
        logprobs=-1,
    )


def derive_seed(seed: int, prompt: str, sequence: int) -> int:
    """A seed for the text, from 0 to 2**63 - 1, for an engine that draws by itself."""
    return int.from_bytes(_digest(seed, prompt, sequence)[16:24], "big") >> 1


def _digest(seed: int, prompt: str, sequence: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{sequence}\0{prompt}".encode()).digest()


def stack(streams: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Streams of different lengths as one array, the short ones filled up with 0: [B, longest]."""
    stacked = np.zeros((len(streams), max(len(stream) for stream in streams)))
    for row, stream in zip(stacked, streams, strict=True):
        row[: len(stream)] = stream
    return stacked


def keep_likely(scores: "torch.Tensor", min_p: float) -> "torch.Tensor":
    """The scores, -inf where a token is not `min_p` times as likely as the likeliest. scores: [B, V]."""
    import torch

    least = scores.amax(dim=-1, keepdim=True) + math.log(min_p)  # [B, 1]
    return scores.masked_fill(scores < least, -torch.inf)


def penalize_new(
    scores: "torch.Tensor", new_ids: "torch.Tensor", frequency: float, presence: float
) -> "torch.Tensor":
    """The scores less `frequency` for each time that a token came, and `presence` if it came at all.

    scores: [B, V]; new_ids: [B, new], without the prompts. It is OpenAI's and vLLM's rule.
    """
    import torch

    counts = torch.zeros_like(scores).scatter_add_(1, new_ids, torch.ones_like(new_ids, dtype=scores.dtype))
    return scores - frequency * counts - presence * (counts > 0)


def keep_nucleus(scores: "torch.Tensor", top_p: float) -> "torch.Tensor":
    """The scores, -inf where a token is not among the likeliest whose probabilities add up to `top_p`.

    scores: [B, V]. It is transformers' rule, but that of equal tokens all are kept or none: there it is
    left to the order in which a device sorts them.
    """
    import torch

    ascending = scores.sort(dim=-1).values  # [B, V]
    sums = (ascending.double().softmax(dim=-1) * PARTS).long().cumsum(dim=-1)  # [B, V]
    last_equal = torch.searchsorted(ascending, scores, right=True) - 1  # [B, V]
    is_removed = (sums.gather(1, last_equal) <= (1 - top_p) * PARTS) & (scores < ascending[:, -1:])
    return scores.masked_fill(is_removed, -torch.inf)


def sample(scores: "torch.Tensor", uniform: "torch.Tensor") -> "torch.Tensor":
    """The token of each row by inverting its cumulative distribution, in vocabulary order.

    scores: [B, V] logits, -inf for a token that must not come; uniform: [B] in [0, 1), float64.
    Returns [B], int64.
    Raises TextgenError if a row's logits are not finite.
    """
    tokens, is_finite = invert(scores, uniform)
    if not bool(is_finite.all()):
        raise TextgenError(NOT_FINITE)
    return tokens


def invert(scores: "torch.Tensor", uniform: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """As `sample`, without a word from the device: the tokens, and whether each row's logits are finite.

    Returns [B], int64, and [B], bool.
    """
    import torch

    parts = (scores.double().softmax(dim=-1) * PARTS).long()  # [B, V]
    cumulative = parts.cumsum(dim=-1)  # [B, V]
    total = cumulative[:, -1:]  # [B, 1]
    threshold = (uniform[:, None] * total).long().minimum(total - 1)  # [B, 1]
    # The first token whose sum passes the threshold: one of probability 0 adds nothing and never does.
    tokens = torch.searchsorted(cumulative, threshold, right=True).squeeze(1)  # [B]
    return tokens.clamp(max=scores.shape[1] - 1), total.squeeze(1) > 0
