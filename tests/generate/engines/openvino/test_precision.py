"""Weights and numbers in fewer bits: near those of transformers, and the same in any company."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from job.errors import TextgenError
from job.generate.engines.openvino import precision
from job.generate.engines.openvino.generator import Generator
from job.generate.engines.openvino.precision import BFLOAT16, FLOAT32, INT8, list_dtypes
from job.generate.engines.openvino.rounding import quantize, round_to_bfloat16
from job.generate.settings import Settings
from tests.generate.engines.openvino.conftest import expected_logits, make_model, open_network, read

_FLAGS = "processor : 0\nflags\t\t: fpu sse avx2 {}\n"


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


def _set_processor(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capabilities: list[str], flags: str
) -> None:
    class Core:
        def get_property(self, *names: str) -> list[str]:
            return capabilities

    monkeypatch.setattr("openvino.Core", Core)
    monkeypatch.setattr(precision, "_CPUINFO", folder / "cpuinfo")
    (folder / "cpuinfo").write_text(_FLAGS.format(flags))


@pytest.mark.parametrize(
    ("capabilities", "flags", "dtypes"),
    [
        (["FP32", "INT8"], "", [FLOAT32]),
        (["FP32", "INT8"], "avx_vnni", [FLOAT32, INT8]),
        (["FP32", "INT8", "BF16"], "avx512_vnni", [FLOAT32, BFLOAT16, INT8]),
    ],
)
def test_a_dtype_that_the_processor_lacks_is_refused_with_those_that_it_has(
    capabilities: list[str], flags: str, dtypes: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _set_processor(monkeypatch, tmp_path, capabilities, flags)
    assert list_dtypes() == tuple(dtypes)
    for dtype in {BFLOAT16, INT8, "float16"}.difference(dtypes):
        with pytest.raises(TextgenError, match=rf"^dtype {dtype}: this processor has {', '.join(dtypes)}$"):
            Generator(tmp_path, Settings(), (), dtype=dtype)


def test_without_a_list_of_the_processors_flags_there_is_no_int8(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(precision, "_CPUINFO", tmp_path / "none")
    assert INT8 not in list_dtypes()


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
