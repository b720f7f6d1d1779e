"""Which dtypes a processor has."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from job.errors import SettingsError, UnsupportedError
from job.generate.engines.choose import open_engine
from job.generate.engines.openvino import dtypes
from job.generate.engines.openvino.dtypes import BFLOAT16, DTYPES, FLOAT32, INT8, list_dtypes
from job.generate.engines.openvino.engine import OpenvinoEngine
from job.generate.models.find import ModelFiles
from job.generate.outputs import RECORD
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_texts


def _open(dtype: str) -> OpenvinoEngine:
    return OpenvinoEngine(ModelFiles("model", "", Path("none")), Settings(dtype=dtype))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", [FLOAT32]),
        ("avx_vnni", [FLOAT32, INT8]),
        ("avx_ne_convert avx_vnni avx_vnni_int8", [FLOAT32, BFLOAT16, INT8]),
        ("avx512_vnni avx512_bf16", [FLOAT32, BFLOAT16, INT8]),
    ],
)
def test_a_dtype_that_the_processor_lacks_is_refused_with_those_that_it_has(
    flags: str, expected: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dtypes, "_CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: fpu sse avx2 {flags}\n")
    assert list_dtypes() == tuple(expected)
    for dtype in set(DTYPES).difference(expected):
        with pytest.raises(
            SettingsError, match=rf"^dtype {dtype}: this processor has {', '.join(expected)}$"
        ):
            _open(dtype)


def test_a_processor_that_says_nothing_has_float32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dtypes, "_CPUINFO", tmp_path / "none")
    assert list_dtypes() == (FLOAT32,)


def test_a_dtype_of_other_engines_goes_to_them() -> None:
    with pytest.raises(
        UnsupportedError, match=r"^dtype float16: the openvino engine has float32, bfloat16, int8$"
    ):
        _open("float16")


def test_openvino_finds_the_same_processor() -> None:
    import openvino as ov

    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert ("BF16" in capabilities) == (BFLOAT16 in list_dtypes())


@pytest.mark.model
@pytest.mark.parametrize("dtype", [BFLOAT16, INT8])
def test_a_run_is_computed_in_the_dtype_that_it_asks_for(dtype: str, gpt2: Path, tmp_path: Path) -> None:
    if dtype not in list_dtypes():
        pytest.skip(f"this processor has no {dtype}")
    settings = Settings(model=str(gpt2), engine="openvino", max_length=60)
    run(settings, tmp_path / "float32")
    run(replace(settings, dtype=dtype), tmp_path / dtype)
    record = json.loads((tmp_path / dtype / RECORD).read_text())
    assert record["run"]["dtype"] == dtype
    assert read_texts(tmp_path / dtype) != read_texts(tmp_path / "float32")


@pytest.mark.model
def test_the_transformers_engine_has_no_int8(gpt2: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"^dtype int8: the transformers engine has none"):
        open_engine(Settings(model=str(gpt2), engine="transformers", dtype=INT8))
