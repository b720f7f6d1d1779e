"""The draw of a token, in numpy on the tokens that may come: what sampling.py does in torch on all of them.

In shapes, S is the number of rows, K of their largest logits that the graph gives, V the size of the
vocabulary, N of the tokens that may come.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from job.errors import TextgenError
from job.generate.engines.engine import Mask, TokenLogprobs
from job.generate.engines.openvino.network import Logits
from job.generate.sampling import NOT_FINITE, PARTS
from job.generate.settings import Settings

# Beyond top_k the graph gives some more, so that it is seen whether the last one that is kept has equals.
_MARGIN = 14
_ROWS = 4  # whose vocabularies are computed at once: more of them leave the processor's caches
_NEVER = np.float32(-np.inf)

Floats = NDArray[np.float32]
Tokens = NDArray[np.int64]
_NO_TOKENS = np.zeros(0, np.int64)


class Sampler:
    """Draws tokens as the settings say. `top` is how many of the largest logits the graph has to give."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._count = 1 if settings.greedy else settings.top_k  # of the tokens that are kept; 0 means all
        self.top = self._count + _MARGIN if self._count else 1

    @property
    def _has_penalties(self) -> bool:
        penalties = self.settings.frequency_penalty, self.settings.presence_penalty
        return self.settings.repetition_penalty != 1 or any(penalties)

    def draw(
        self,
        logits: Logits,
        uniforms: Sequence[float],
        seen: Sequence[Sequence[Sequence[int]]],
        masks: Sequence[Mask | None] | None = None,
    ) -> list[int]:
        """The next token of each row.

        uniforms: of each row a number in [0, 1). seen: of each row the prompt's tokens and the new ones;
        only penalties look at them. masks: of each row which tokens may come; None for all.
        Raises TextgenError if a row's logits are not finite.
        """
        if not np.isfinite(logits.sums).all():
            raise TextgenError(NOT_FINITE)
        masks = [None] * len(uniforms) if masks is None else masks
        # Rows with settings of their own may ask for more than the graph gives.
        if self._has_penalties or self._count > logits.values.shape[1]:
            return [
                self._draw_of_row(logits, row, uniform, _as_tokens(prompt), _as_tokens(new), mask)
                for row, (uniform, (prompt, new), mask) in enumerate(zip(uniforms, seen, masks, strict=True))
            ]
        drawn = [0] * len(uniforms)
        if any(mask is None for mask in masks):
            draw = self._draw_of_largest if self._count else self._draw_of_all
            drawn = draw(logits, uniforms)
        for row, mask in enumerate(masks):
            if mask is not None:
                drawn[row] = self._draw_of_row(logits, row, uniforms[row], _NO_TOKENS, _NO_TOKENS, mask)
        return drawn

    def _draw_of_largest(self, logits: Logits, uniforms: Sequence[float]) -> list[int]:
        """The draws of all rows from the K largest logits of each."""
        order = logits.indices.argsort(axis=1)  # the order of the vocabulary
        scores = self._divide(logits.values)  # [S, K]
        kept = min(self._count, scores.shape[1])
        is_kept = scores >= scores[:, kept - 1 : kept]
        scores = np.take_along_axis(np.where(is_kept, scores, _NEVER), order, 1)
        places = self._choose(scores, np.array(uniforms))
        indices = np.take_along_axis(logits.indices, order, 1)
        drawn: list[int] = indices[np.arange(len(indices)), places].tolist()
        if scores.shape[1] < logits.full.shape[1]:  # a token beyond the K may equal the last that is kept
            for row in map(int, np.flatnonzero(is_kept[:, -1])):
                drawn[row] = self._draw_of_row(logits, row, uniforms[row], _NO_TOKENS, _NO_TOKENS, None)
        return drawn

    def _draw_of_all(self, logits: Logits, uniforms: Sequence[float]) -> list[int]:
        """The draws of all rows from the whole vocabulary."""
        drawn: list[int] = []
        for start in range(0, len(uniforms), _ROWS):
            part = slice(start, start + _ROWS)
            drawn += self._choose(self._divide(logits.full[part]), np.array(uniforms[part])).tolist()
        return drawn

    def _draw_of_row(
        self, logits: Logits, row: int, uniform: float, prompt: Tokens, new: Tokens, mask: Mask | None
    ) -> int:
        """The draw of one row: from the K largest and the seen tokens, if that is enough, else from all."""
        if mask is not None:
            prompt, new = prompt[mask[prompt]], new[mask[new]]
        seen = np.concatenate([prompt, new])
        full = logits.full[row]
        if self._count and (len(seen) or mask is not None):
            tokens = np.union1d(logits.indices[row], seen)
            tokens = tokens if mask is None else tokens[mask[tokens]]
            scores = self._score(full, tokens, seen, new)
            # Tokens that are not among these are at most as large as the smallest of the K.
            if (
                len(tokens) > self._count
                and _largest(scores, self._count) > self._divide(logits.values[row])[-1]
            ):
                return self._draw_of_scores(tokens, scores, uniform)
        every = np.arange(len(full)) if mask is None else np.flatnonzero(mask)
        return self._draw_of_scores(every, self._score(full, every, seen, new), uniform)

    def _score(self, full: Floats, tokens: Tokens, seen: Tokens, new: Tokens) -> Floats:
        """The scores of the tokens, in order: penalized if they are seen, and divided."""
        scores, penalty = full[tokens], np.float32(self.settings.repetition_penalty)
        if penalty != 1:
            places = np.searchsorted(tokens, seen)
            penalized = scores[places]
            scores[places] = np.where(penalized < 0, penalized * penalty, penalized / penalty)
        if len(new):
            distinct, counts = np.unique(new, return_counts=True)
            places = np.searchsorted(tokens, distinct)
            scores[places] -= np.float32(self.settings.frequency_penalty) * counts.astype(np.float32)
            scores[places] -= np.float32(self.settings.presence_penalty)
        return self._divide(scores)

    def _draw_of_scores(self, tokens: Tokens, scores: Floats, uniform: float) -> int:
        if 0 < self._count < len(scores):
            is_kept = scores >= _largest(scores, self._count)
            tokens, scores = tokens[is_kept], scores[is_kept]
        return int(tokens[self._choose(scores[None], np.array([uniform]))[0]])

    def _divide(self, scores: Floats) -> Floats:
        temperature = self.settings.temperature
        return scores if self.settings.greedy or temperature == 1 else scores / np.float32(temperature)

    def _choose(self, scores: Floats, uniforms: NDArray[np.float64]) -> Tokens:
        """The place of each row's token: scores [S, N], uniforms [S]."""
        if self.settings.greedy:
            places: Tokens = scores.argmax(axis=1)
            return places
        likely = keep_likely(scores, self.settings.min_p)
        return invert(keep_nucleus(likely, self.settings.top_p), uniforms)


def rank(full: Floats, token: int, count: int) -> TokenLogprobs:
    """The token and the `count` most likely ones with their log probabilities. full: [V], the logits."""
    scores = full.astype(np.float64)
    scores -= scores.max()
    scores -= np.log(np.exp(scores).sum())
    count = min(count, len(scores))
    likely = np.flatnonzero(scores >= _largest(scores, count)) if count else _NO_TOKENS
    likely = likely[np.argsort(-scores[likely], kind="stable")][:count]
    return tuple((int(each), float(scores[each])) for each in (token, *likely))


make_sampler = lru_cache(maxsize=64)(Sampler)


def invert(scores: Floats, uniforms: NDArray[np.float64]) -> Tokens:
    """The place of each row's token, by inverting its cumulative distribution.

    scores: [S, N] in the order of the vocabulary, -inf for a token that must not come; uniforms: [S] in
    [0, 1). Returns [S].
    """
    shares = _softmax(scores.astype(np.float64))
    shares *= PARTS
    cumulative = shares.astype(np.int64)
    np.cumsum(cumulative, axis=1, out=cumulative)  # [S, N]
    total = cumulative[:, -1]
    threshold = np.minimum((uniforms * total).astype(np.int64), total - 1)  # [S]
    places: Tokens = (cumulative <= threshold[:, None]).sum(axis=1)
    return places


def keep_likely(scores: Floats, min_p: float) -> Floats:
    """The scores, -inf where a token is not `min_p` times as likely as the likeliest. scores: [S, N]."""
    if not min_p:
        return scores
    least = scores.max(axis=1, keepdims=True) + np.float32(math.log(min_p))
    return np.where(scores >= least, scores, _NEVER)


def keep_nucleus(scores: Floats, top_p: float) -> Floats:
    """The scores, -inf where a token is not among the likeliest whose probabilities add up to `top_p`.

    scores: [S, N]. Of equal tokens all are kept or none.
    """
    return scores if top_p >= 1 else np.stack([_keep_nucleus_of_row(row, top_p) for row in scores])


def _keep_nucleus_of_row(scores: Floats, top_p: float) -> Floats:
    probabilities = _softmax(scores[None].astype(np.float64))[0]
    # Those below this limit are together less than what is removed: they need no sorting.
    is_large = probabilities >= (1 - top_p) / len(probabilities)
    ascending = np.sort(scores[is_large])
    sums = probabilities[~is_large].sum() + np.sort(probabilities[is_large]).cumsum()
    kept = ascending[sums > 1 - top_p]  # with the equals of the least of them
    least = kept[0] if len(kept) else ascending[-1]
    return np.where(scores >= least, scores, _NEVER)


def _as_tokens(token_ids: Sequence[int]) -> Tokens:
    return np.array(token_ids, np.int64)


def _largest(scores: NDArray[np.floating[Any]], count: int) -> Any:
    """The smallest of the `count` largest scores."""
    return np.partition(scores, -count)[-count]


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probabilities of each row, in the array of the scores."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores
