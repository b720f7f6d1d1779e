"""The draw of a token, in numpy on the tokens that may come: what sampling.py does in torch on all of them.

In shapes, S is the number of rows, K of their largest logits that the graph gives, V the size of the
vocabulary, N of the tokens that may come.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from job.errors import TextgenError
from job.generate.engines.openvino.network import Logits
from job.generate.settings import Settings

# Beyond top_k the graph gives some more, so that it is seen whether the last one that is kept has equals.
_MARGIN = 14
_PARTS = 2**52  # a probability is a whole number of this many parts, as in sampling.py

Floats = NDArray[np.float32]
Tokens = NDArray[np.int64]


class Sampler:
    """Draws tokens as the settings say. `top` is how many of the largest logits the graph has to give."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._is_sorted = settings.repetition_penalty == 1 and (settings.greedy or settings.top_k > 0)
        kept = 1 if settings.greedy else settings.top_k
        self.top = kept + _MARGIN if self._is_sorted else 1

    def draw(
        self, logits: Logits, uniforms: Sequence[float], seen: Sequence[Sequence[Sequence[int]]]
    ) -> list[int]:
        """The next token of each row.

        uniforms: of each row a number in [0, 1). seen: of each row its tokens, in several lists; only
        the repetition penalty looks at them. Raises TextgenError if a row's logits are not finite.
        """
        if not np.isfinite(logits.sums).all():
            raise TextgenError(
                "the model's numbers are not finite: its weights are broken, or try --dtype float32"
            )
        if not self._is_sorted:
            return [
                self._draw_of_all(row, uniform, tokens)
                for row, uniform, tokens in zip(logits.full, uniforms, seen, strict=True)
            ]
        settings, vocabulary = self.settings, logits.full.shape[1]
        scores = logits.values if settings.greedy else _divide(logits.values, settings.temperature)  # [S, K]
        kept = min(1 if settings.greedy else settings.top_k, vocabulary)
        is_kept = scores >= scores[:, kept - 1 : kept]
        drawn = self._draw_of_kept(scores, logits.indices, is_kept, np.array(uniforms))
        if scores.shape[1] < vocabulary:  # a token beyond the K may be equal to the last that is kept
            for row in map(int, np.flatnonzero(is_kept[:, -1])):
                drawn[row] = self._draw_of_all(logits.full[row], uniforms[row], seen[row])
        return drawn

    def _draw_of_kept(
        self,
        scores: Floats,
        indices: NDArray[np.int32],
        is_kept: NDArray[np.bool_],
        uniforms: NDArray[np.float64],
    ) -> list[int]:
        """The draws from the kept ones of the K largest: scores, indices, is_kept [S, K]; uniforms [S]."""
        order = indices.argsort(axis=1)  # the order of the vocabulary
        scores = np.take_along_axis(np.where(is_kept, scores, np.float32(-np.inf)), order, 1)
        indices = np.take_along_axis(indices, order, 1)
        if self.settings.greedy:
            places = scores.argmax(axis=1)
        else:
            places = invert(_nucleus(scores, self.settings.top_p), uniforms)
        drawn: list[int] = indices[np.arange(len(indices)), places].tolist()
        return drawn

    def _draw_of_all(self, logits: Floats, uniform: float, seen: Sequence[Sequence[int]]) -> int:
        """The draw from all V logits of a row."""
        settings, scores = self.settings, logits
        if settings.repetition_penalty != 1:
            tokens = np.array([token for part in seen for token in part])
            penalty, penalized = np.float32(settings.repetition_penalty), scores[tokens]
            scores = scores.copy()
            scores[tokens] = np.where(penalized < 0, penalized * penalty, penalized / penalty)
        if settings.greedy:
            return int(scores.argmax())
        scores = _divide(scores, settings.temperature)
        tokens = np.arange(len(scores))
        if 0 < settings.top_k < len(scores):
            last = np.partition(scores, -settings.top_k)[-settings.top_k]
            tokens = np.flatnonzero(scores >= last)
        kept = _nucleus(scores[tokens][None], settings.top_p)
        return int(tokens[invert(kept, np.array([uniform]))[0]])


def invert(scores: Floats, uniforms: NDArray[np.float64]) -> Tokens:
    """The place of each row's token, by inverting its cumulative distribution.

    scores: [S, N] in the order of the vocabulary, -inf for a token that must not come; uniforms: [S] in
    [0, 1). Returns [S].
    """
    parts = (_softmax(scores.astype(np.float64)) * _PARTS).astype(np.int64)
    cumulative = parts.cumsum(axis=1)  # [S, N]
    total = cumulative[:, -1]
    threshold = np.minimum((uniforms * total).astype(np.int64), total - 1)  # [S]
    places: Tokens = (cumulative <= threshold[:, None]).sum(axis=1)
    return places


def _nucleus(scores: Floats, top_p: float) -> Floats:
    """The scores, -inf where a token is not among the likeliest that make up `top_p`: transformers' rule."""
    if top_p >= 1:
        return scores
    order = scores.argsort(axis=1, kind="stable")  # of equals the last in the vocabulary is the likeliest
    probabilities = _softmax(np.take_along_axis(scores, order, 1).astype(np.float64))
    is_removed = probabilities.cumsum(axis=1) <= 1 - top_p
    is_removed[:, -1] = False
    removed = np.empty_like(is_removed)
    np.put_along_axis(removed, order, is_removed, 1)
    return np.where(removed, np.float32(-np.inf), scores)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _divide(scores: Floats, temperature: float) -> Floats:
    return scores if temperature == 1 else scores / np.float32(temperature)
