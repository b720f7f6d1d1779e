"""A draw in numpy on the kept tokens is the draw of the transformers engine on all of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from job.errors import TextgenError
from job.generate.engines.openvino.network import Logits
from job.generate.engines.openvino.sampler import Sampler
from job.generate.settings import Settings

pytestmark = pytest.mark.model

_SETTINGS = st.builds(
    Settings,
    temperature=st.sampled_from([1.0, 0.7, 1.3]),
    top_k=st.integers(0, 12),
    top_p=st.just(1.0) | st.floats(0.05, 0.99),
    min_p=st.sampled_from([0.0, 0.0, 0.05, 0.3, 1.0]),
    frequency_penalty=st.sampled_from([0.0, 0.0, 0.7, -1.0]),
    presence_penalty=st.sampled_from([0.0, 0.0, 1.5, -0.5]),
    repetition_penalty=st.sampled_from([1.0, 1.0, 1.3, 0.8]),
    greedy=st.booleans(),
)
_PROMPT = 2  # tokens
# Few values, so that there are ties; more tokens than the graph gives of the largest
_ROWS = st.lists(
    st.lists(
        st.sampled_from([-3.0, -1.5, 0.0, 0.25, 1.0, 2.5]) | st.floats(-8, 8, width=32),
        min_size=40,
        max_size=40,
    ),
    min_size=1,
    max_size=3,
)


def _as_of_the_graph(rows: NDArray[np.float32], top: int) -> Logits:
    """What the graph gives: of equal logits it may give any, here the last of the vocabulary."""
    order = np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1][:, :top]
    order = rows.shape[1] - 1 - order
    indices = order.astype(np.int32)
    return Logits(np.take_along_axis(rows, indices, 1), indices, rows, rows.sum(axis=1))


def _expected(
    rows: NDArray[np.float32],
    uniforms: list[float],
    seen: list[int],
    masks: list[NDArray[np.bool_] | None],
    settings: Settings,
) -> list[int]:
    """The draws by transformers' processors, and by sampling.py."""
    import torch
    from transformers import (
        MinPLogitsWarper,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
    )

    from job.generate import sampling

    scores = torch.from_numpy(rows.copy())
    for place, mask in enumerate(masks):
        if mask is not None:
            scores[place, torch.from_numpy(~mask)] = -torch.inf
    input_ids: Any = torch.tensor([seen] * len(rows))
    if settings.repetition_penalty != 1:
        scores = RepetitionPenaltyLogitsProcessor(settings.repetition_penalty)(input_ids, scores)
    for token in set(seen[_PROMPT:]):
        scores = scores.clone()
        scores[:, token] -= settings.frequency_penalty * seen[_PROMPT:].count(token)
        scores[:, token] -= settings.presence_penalty
    if settings.greedy:
        greedy: list[int] = scores.argmax(-1).tolist()
        return greedy
    scores = TemperatureLogitsWarper(settings.temperature)(input_ids, scores)
    if settings.top_k:
        scores = TopKLogitsWarper(settings.top_k)(input_ids, scores)
    if settings.min_p:
        scores = MinPLogitsWarper(settings.min_p)(input_ids, scores)
    if settings.top_p < 1:
        scores = sampling.keep_nucleus(scores, settings.top_p)
    drawn: list[int] = sampling.sample(scores, torch.tensor(uniforms, dtype=torch.float64)).tolist()
    return drawn


# Of each row the tokens that may come
_MASKS = st.lists(st.none() | st.sets(st.integers(0, 39), min_size=1), min_size=3, max_size=3)


@given(_ROWS, st.lists(st.floats(0, 1, exclude_max=True), min_size=3, max_size=3), _MASKS, _SETTINGS)
@example([[0.0] * 40] * 2, [0.0, 1 - 2**-53, 0.0], [None] * 3, Settings(top_k=5))
@example([[0.0] * 40] * 2, [0.5, 0.5, 0.0], [None] * 3, Settings(greedy=True))
@example([[-3.0] * 40], [0.0, 0.0, 0.0], [None] * 3, Settings(top_k=0, top_p=0.6875))
@example([[1.0] * 20 + [0.0] * 20], [0.999, 0.0, 0.0], [None] * 3, Settings(top_k=12))
@example([[1.0] * 20 + [0.0] * 20], [0.5, 0.0, 0.0], [{39}] * 3, Settings(top_k=12))
@settings(deadline=None)
def test_a_draw_is_that_of_the_transformers_engine(
    rows: list[list[float]],
    uniforms: list[float],
    allowed: list[set[int] | None],
    given_settings: Settings,
) -> None:
    logits, uniforms, seen = np.array(rows, np.float32), uniforms[: len(rows)], [0, 7, 7, 39, 5, 39, 39]
    sampler = Sampler(given_settings)
    masks = [
        None if tokens is None else np.isin(np.arange(40), list(tokens)) for tokens in allowed[: len(rows)]
    ]
    drawn = sampler.draw(
        _as_of_the_graph(logits, sampler.top), uniforms, [(seen[:_PROMPT], seen[_PROMPT:])] * len(rows), masks
    )
    assert drawn == _expected(logits, uniforms, seen, masks, given_settings)


def test_the_full_row_is_not_needed_without_ties() -> None:
    sampler = Sampler(Settings(top_k=3))
    rows = np.arange(100, dtype=np.float32)[None]
    logits = _as_of_the_graph(rows, sampler.top)
    without = replace(logits, full=np.full_like(rows, np.nan))
    assert sampler.draw(without, [0.3], [((), ())]) == sampler.draw(logits, [0.3], [((), ())])


@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize("given_settings", [Settings(), Settings(greedy=True), Settings(top_k=0)])
def test_logits_that_are_not_finite_are_an_error_and_not_a_text(
    given_settings: Settings, broken: float
) -> None:
    rows = np.zeros((1, 40), np.float32)
    rows[0, 3] = broken
    sampler = Sampler(given_settings)
    with pytest.raises(TextgenError, match="not finite"):
        sampler.draw(_as_of_the_graph(rows, sampler.top), [0.5], [((), ())])
