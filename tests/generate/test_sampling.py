"""Each sequence has a random stream of its own, and tokens are drawn in proportion."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from job.errors import TextgenError
from job.generate import sampling


def test_a_stream_never_changes_between_versions() -> None:
    expected = [0.07992647569090339, 0.8655482725192811, 0.8153684529391492]
    assert sampling.uniforms(42, "Hello, I'm a language model,", 1, 3).tolist() == expected


def test_a_longer_stream_begins_with_the_shorter_one() -> None:
    assert (sampling.uniforms(1, "a", 1, 9)[:4] == sampling.uniforms(1, "a", 1, 4)).all()


@given(st.integers(0, 2**64 - 1), st.text(st.characters(codec="utf-8")), st.integers(1, 10**9))
def test_seed_prompt_and_number_each_make_another_stream(seed: int, prompt: str, number: int) -> None:
    numbers = sampling.uniforms(seed, prompt, number, 2)
    others = ((seed ^ 1, prompt, number), (seed, prompt + "!", number), (seed, prompt, number + 1))
    assert all((numbers != sampling.uniforms(*other, 2)).all() for other in others)
    assert ((numbers >= 0) & (numbers < 1)).all()


@pytest.mark.model
def test_draws_come_in_proportion_to_the_probabilities() -> None:
    import torch

    odds = torch.tensor([0.1, 0.0, 0.6, 0.3])
    count = 20_000
    uniform = torch.from_numpy(sampling.uniforms(0, "odds", 1, count))
    drawn = sampling.sample(odds.log().expand(count, -1), uniform)
    assert torch.bincount(drawn, minlength=4).div(count).numpy() == pytest.approx(odds.numpy(), abs=0.01)


@pytest.mark.model
def test_the_ends_of_the_unit_interval_draw_tokens_that_can_come() -> None:
    import torch

    scores = torch.tensor([[-np.inf, 0.0, 0.0, -np.inf]] * 2)
    uniform = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert sampling.sample(scores, uniform).tolist() == [1, 2]


@pytest.mark.model
@pytest.mark.parametrize(
    ("odds", "top_p", "kept"),
    [
        ([0.1, 0.2, 0.4, 0.3], 0.6, [2, 3]),
        ([0.1, 0.2, 0.4, 0.3], 0.75, [1, 2, 3]),
        ([0.1, 0.2, 0.4, 0.3], 1e-20, [2]),
        ([0.25, 0.25, 0.25, 0.25], 0.3, [0, 1, 2, 3]),
        ([0.2, 0.2, 0.2, 0.4], 0.5, [0, 1, 2, 3]),
        ([0.2, 0.2, 0.2, 0.4], 0.35, [3]),
    ],
)
def test_the_likeliest_tokens_are_kept_and_of_equal_ones_all(
    odds: list[float], top_p: float, kept: list[int]
) -> None:
    import torch

    scores = sampling.keep_nucleus(torch.tensor([odds]).log(), top_p)
    assert scores[0].isfinite().nonzero().flatten().tolist() == kept


@given(st.lists(st.floats(-9, 9, width=32), min_size=2, max_size=50, unique=True), st.floats(0.05, 0.95))
@pytest.mark.model
def test_without_equals_the_kept_tokens_are_those_of_transformers(scores: list[float], top_p: float) -> None:
    import torch
    from transformers import TopPLogitsWarper

    tensor = torch.tensor([scores])
    sums = tensor.sort().values.double().softmax(-1).cumsum(-1)
    assume(((sums - (1 - top_p)).abs() > 1e-5).all())  # there float32 decides by its rounding
    assert torch.equal(sampling.keep_nucleus(tensor, top_p), TopPLogitsWarper(top_p)(tensor.long(), tensor))


@pytest.mark.model
def test_numbers_that_are_none_are_an_error_and_not_a_text() -> None:
    import torch

    with pytest.raises(TextgenError, match="not finite"):
        sampling.sample(torch.full((1, 3), torch.nan), torch.zeros(1, dtype=torch.float64))
