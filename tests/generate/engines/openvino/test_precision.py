"""Weights and numbers in fewer bits: near those of transformers, and the same in any company."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from job.generate.engines.openvino.dtypes import BFLOAT16, INT8, list_dtypes
from job.generate.engines.openvino.rounding import quantize, round_to_bfloat16
from tests.generate.engines.openvino.conftest import expected_logits, make_model, open_network, read


@given(st.lists(st.floats(width=32), min_size=1, max_size=8))
@settings(deadline=None)
def test_a_bfloat16_is_that_of_torch(numbers: list[float]) -> None:
    import torch

    array = np.array(numbers, np.float32)
    expected = torch.from_numpy(array).bfloat16().float().numpy()
    rounded = (round_to_bfloat16(array).astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(rounded, expected)


def test_a_quantized_weight_is_within_half_a_step_of_each_outputs_scale() -> None:
    weight = np.random.default_rng(0).normal(size=(7, 33)).astype(np.float32)
    weight[3] = 0
    whole, scales = quantize(weight)
    assert whole.dtype == np.int8
    assert np.abs(whole).max(axis=1).tolist() == [127, 127, 127, 0, 127, 127, 127]
    assert (np.abs(whole * scales - weight) <= scales * 0.5001).all()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_an_output_that_is_not_finite_stays_so(broken: float) -> None:
    weight = np.ones((2, 4), np.float32)
    weight[1, 2] = broken
    _, scales = quantize(weight)
    assert np.isfinite(scales).tolist() == [[True], [False]]


@pytest.mark.model
@pytest.mark.parametrize("dtype", [BFLOAT16, INT8])
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gpt_neox"])
def test_the_logits_are_near_those_of_transformers(
    model_type: str, dtype: str, tmp_path: Path, token_ids: list[int]
) -> None:
    if dtype not in list_dtypes():
        pytest.skip(f"this processor has no {dtype}")
    expected = expected_logits(make_model(tmp_path, model_type), token_ids)
    logits = read(open_network(tmp_path, dtype), token_ids, [50] + [1] * 20)
    error = np.abs(logits - expected).max() / np.abs(expected).max()
    assert 1e-4 < error < 0.03  # they are other numbers
