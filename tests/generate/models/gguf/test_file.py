"""A file is read whole: split, torn and hostile ones, and each type of tensor."""

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.errors import ModelError
from job.generate.models.find import find_model
from job.generate.models.gguf.checkpoint import open_checkpoint
from job.generate.models.gguf.file import Tensor, read_file
from job.generate.models.load import load_model
from tests.generate.models.gguf.conftest import compute_logits
from tests.generate.models.gguf.writer import (
    describe_network,
    describe_vocabulary,
    list_tensors,
    write_file,
    write_gguf,
)

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def small_file(small_llama: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "small.gguf", small_llama)


def write_parts(folder: Path, network: Any, count: int = 3) -> list[Path]:
    """The network in parts, as llama.cpp's gguf-split writes them."""
    keys = describe_network(network) | describe_vocabulary(network.config.vocab_size)
    tensors = list(list_tensors(network).items())
    paths = []
    for number in range(count):
        own = {"split.no": number, "split.count": count, "split.tensors.count": len(tensors)}
        paths.append(folder / f"small-{number + 1:05}-of-{count:05}.gguf")
        write_file(paths[-1], own | (keys if number == 0 else {}), dict(tensors[number::count]))
    return paths


@pytest.mark.parametrize("named", [0, 2])
def test_the_parts_of_a_split_model_are_one(named: int, small_llama: Any, tmp_path: Path) -> None:
    import torch

    paths = write_parts(tmp_path, small_llama)
    files = find_model(str(paths[named]))
    assert torch.equal(compute_logits(load_model(files, "cpu").network), compute_logits(small_llama))
    paths[1].write_bytes(paths[1].read_bytes() + b"\0")
    assert find_model(str(paths[named])).revision != files.revision


def test_a_part_that_is_missing_is_named(small_llama: Any, tmp_path: Path) -> None:
    paths = write_parts(tmp_path, small_llama)
    paths[1].unlink()
    message = r"-00001-of-00003\.gguf: the model's part small-00002-of-00003\.gguf is not beside it"
    with pytest.raises(ModelError, match=message):
        find_model(str(paths[0]))


def test_a_part_of_another_name_is_not_the_whole(small_llama: Any, tmp_path: Path) -> None:
    part = write_parts(tmp_path, small_llama)[0].rename(tmp_path / "renamed.gguf")
    message = r"renamed\.gguf: .* it is part 1 of 3; name the parts NAME-00001-of-00003\.gguf and so on"
    with pytest.raises(ModelError, match=message):
        open_checkpoint(part)


def test_parts_in_another_order_are_refused(small_llama: Any, tmp_path: Path) -> None:
    first, second, _ = write_parts(tmp_path, small_llama)
    first.rename(tmp_path / "first")
    second.rename(first)
    (tmp_path / "first").rename(second)
    with pytest.raises(ModelError, match=r"split\.no and split\.count it is part 2 of 3"):
        open_checkpoint(first)


def test_parts_of_two_models_are_refused(small_llama: Any, tmp_path: Path) -> None:
    paths = write_parts(tmp_path, small_llama, 2)
    write_file(paths[1], {"split.no": 1, "split.count": 2}, {"blk.0.attn_q.bias": np.zeros(32, np.float32)})
    with pytest.raises(ModelError, match=r"16 tensors, and split\.tensors\.count is 30"):
        open_checkpoint(paths[0])


@pytest.mark.parametrize("name", ["F16", "BF16", "Q8_0", "Q4_0", "Q5_1"])
def test_each_type_of_tensor_is_dequantized(name: str, small_llama: Any, tmp_path: Path) -> None:
    type_ = gguf.GGMLQuantizationType[name]
    array = list_tensors(small_llama)["token_embd.weight"]
    path = write_gguf(tmp_path / "x.gguf", small_llama, types={"token_embd.weight": type_})
    weights = dict(open_checkpoint(path).load_weights())
    expected = gguf.dequantize(gguf.quantize(array, type_), type_)
    np.testing.assert_array_equal(weights["model.embed_tokens.weight"], expected)
    assert 0 < np.abs(expected - array).max() < 1


@pytest.mark.parametrize(
    "name", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q4_1", "IQ4_XS", "IQ2_XXS", "BF16"]
)
def test_a_tensor_is_dequantized_a_few_rows_at_a_time(name: str) -> None:
    type_ = gguf.GGMLQuantizationType[name]
    size, size_in_bytes = gguf.GGML_QUANT_SIZES[type_]
    # bytes below 0x3c, of which no float16 is made that is not a number
    data = np.random.default_rng(0).integers(0, 0x3C, (150, 1024 // size * size_in_bytes), np.uint8)
    tensor = Tensor("x", (3, 50, 1024), type_, data.reshape(3, 50, -1))
    expected = gguf.dequantize(data, type_).reshape(3, 50, 1024)
    np.testing.assert_array_equal(tensor.dequantize(), expected)
    assert np.ptp(expected) > 0


def test_what_is_in_float32_is_not_copied(small_file: Path) -> None:
    tensor = read_file(small_file).tensors["token_embd.weight"]
    assert np.shares_memory(tensor.dequantize(), tensor.data)


@pytest.mark.parametrize("content", [b"", b"not a GGUF file", b"GGUF", b"GGUF\3\0\0\0", b"GGUF\0\0\0\3"])
def test_a_file_that_is_no_gguf_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.gguf: not a GGUF file that can be read") as raised:
        open_checkpoint(tmp_path / "x.gguf")
    assert "\n" not in str(raised.value)


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ModelError, match=r"x\.gguf is a Git LFS pointer.*; run `git lfs pull` there"):
        find_model(str(tmp_path / "x.gguf"))


@given(data=st.data())
def test_a_torn_file_is_refused_wherever_it_ends(small_file: Path, data: st.DataObject) -> None:
    content = small_file.read_bytes()
    torn = small_file.with_name("torn.gguf")
    torn.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ModelError, match=r"torn\.gguf: "):
        read_file(torn)


@given(place=st.integers(0, 12000), number=st.sampled_from([0, 1, 2**31, 2**63, 2**64 - 1]))
def test_a_number_that_is_wrong_raises_nothing_else(small_file: Path, place: int, number: int) -> None:
    content = bytearray(small_file.read_bytes())
    content[place : place + 8] = struct.pack("<Q", number)
    changed = small_file.with_name("changed.gguf")
    changed.write_bytes(content)
    try:
        list(open_checkpoint(changed).load_weights())
    except ModelError as error:
        assert "\n" not in str(error)
