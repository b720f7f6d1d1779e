"""Weights are mapped into memory as they are stored; a broken file is one line."""

import json
from pathlib import Path

import numpy as np
import pytest

from job.errors import ModelError
from job.generate.engines.openvino.safetensors import open_weights


def _write(path: Path, header: object, data: bytes = b"") -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)


def _entry(dtype: str, shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_numbers_of_each_type_become_float32(tmp_path: Path) -> None:
    numbers = np.array([[1.5, -2.0], [0.25, 3.0]], np.float32)
    half = (numbers.view(np.uint32) >> 16).astype(np.uint16)
    data = numbers.tobytes() + numbers.astype(np.float16).tobytes() + half.tobytes()
    header = {
        "__metadata__": {"format": "pt"},
        "a": _entry("F32", [2, 2], 0, 16),
        "b": _entry("F16", [2, 2], 16, 24),
        "c": _entry("BF16", [2, 2], 24, 32),
    }
    _write(tmp_path / "model.safetensors", header, data)
    tensors = open_weights(tmp_path)
    assert tensors.keys() == {"a", "b", "c"}
    for tensor in tensors.values():
        np.testing.assert_array_equal(tensor.to_float32(), numbers)
    assert np.shares_memory(tensors["a"].to_float32(), tensors["a"].data)


def test_a_change_never_reaches_the_file(tmp_path: Path) -> None:
    _write(tmp_path / "model.safetensors", {"a": _entry("F32", [1], 0, 4)}, bytes(4))
    open_weights(tmp_path)["a"].to_float32()[:] = 7
    assert open_weights(tmp_path)["a"].to_float32() == 0


def test_several_files_are_read_by_their_index(tmp_path: Path) -> None:
    for name in "ab":
        _write(tmp_path / f"{name}.safetensors", {name: _entry("F32", [1], 0, 4)}, bytes(4))
    index = {"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert open_weights(tmp_path).keys() == {"a", "b"}


def test_of_a_single_file_and_an_index_the_single_file_is_read(tmp_path: Path) -> None:
    for name in ("a", "model"):
        _write(tmp_path / f"{name}.safetensors", {name: _entry("F32", [1], 0, 4)}, bytes(4))
    index = {"weight_map": {"a": "a.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert open_weights(tmp_path).keys() == {"model"}


@pytest.mark.parametrize("index", ["{}", "[]", "{", '{"weight_map": {"a": "../a.safetensors"}}'])
def test_a_broken_index_is_one_line(tmp_path: Path, index: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match="not an index of safetensors files"):
        open_weights(tmp_path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([], "broken"),
        (b"{", "broken"),
        ({"a": []}, "broken"),
        ({"a": {"dtype": "F32"}}, "broken"),
        ({"a": _entry("F32", [2], 0, 8)}, "cut off: a ends at byte 8 of 4"),
        ({"a": _entry("F32", [2], 0, 4)}, r"a has 4 bytes, not those of \[2\] F32"),
        ({"a": _entry("F32", [-1], 0, 4)}, "broken"),
        ({"a": _entry("F32", [1], -4, 4)}, "broken"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, header: object, message: str) -> None:
    _write(tmp_path / "model.safetensors", header, bytes(4))
    with pytest.raises(ModelError, match=message):
        open_weights(tmp_path)


@pytest.mark.parametrize("content", [b"", b"12345678", (2**40).to_bytes(8, "little") + b"{}"])
def test_a_file_that_is_no_safetensors_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="not a safetensors file, or cut off"):
        open_weights(tmp_path)


def test_a_folder_without_weights_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        open_weights(tmp_path)
