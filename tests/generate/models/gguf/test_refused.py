"""Each key and each tensor is used, known to be without effect, or refused by its name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from job.errors import ModelError
from job.generate.models.gguf.checkpoint import open_checkpoint
from tests.generate.models.gguf.conftest import build_config, build_network
from tests.generate.models.gguf.writer import write_gguf

pytestmark = pytest.mark.model


def check_refused(path: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as raised:
        open_checkpoint(path)
    assert str(path.parent) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("general.architecture", "mamba", "the architecture mamba is not read; those are llama, .*gpt2"),
        ("general.type", "adapter", r"general\.type is adapter"),
        ("llama.block_count", None, r"the key llama\.block_count is missing"),
        ("llama.block_count", "three", r"the key llama\.block_count is 'three', not a whole number"),
        ("llama.block_count", 4, r"the tensor blk\.3\.attn_norm\.weight is missing"),
        ("llama.block_count", 2, r"the tensor blk\.2\.attn_k\.weight has no place in the network"),
        ("llama.block_count", 2**31, r"llama\.block_count is 2147483648, and .* 30 tensors"),
        ("llama.attention.head_count", 0, r"llama\.embedding_length and attention\.head_count must be above"),
        ("llama.attention.head_count_kv", [2, 2, 4], r"head_count_kv is not one whole number for all layers"),
        ("llama.attention.head_count_kv", 4, r"blk\.0\.attn_k\.weight is \[16, 32\], and must be \[32, 32\]"),
        ("llama.attention.head_count_kv", 3, r"4 heads .* can't share 3"),
        ("llama.attention.value_length", 4, r"attention\.value_length is 4, which is not read"),
        ("llama.vocab_size", 299, r"llama\.vocab_size is 299"),
        ("llama.expert_count", 8, r"llama\.expert_count is 8, which is not read"),
        ("llama.attention.causal", False, r"llama\.attention\.causal is False"),
        ("llama.attention.sliding_window", 16, r"the key llama\.attention\.sliding_window is not read"),
        ("llama.logit_scale", 0.5, r"the key llama\.logit_scale is not read"),
        ("llama.rope.scaling.type", "dynamic", r"rope\.scaling\.type is dynamic"),
        ("llama.rope.scaling.type", "longrope", r"rope_factors_long\.weight is missing"),
        ("llama.rope.scaling.attn_factor", 1.5, r"rope\.scaling\.attn_factor is 1\.5"),
        ("somebody.else", 1, r"the key somebody\.else is not read"),
        ("tokenizer.ggml.model", "t5", r"tokenizer\.ggml\.model is t5"),
        ("tokenizer.ggml.pre", "gpt-3", r"tokenizer\.ggml\.pre is 'gpt-3', which is not read"),
        ("tokenizer.ggml.pre", None, r"tokenizer\.ggml\.pre is missing"),
        ("tokenizer.ggml.add_space_prefix", True, r"add_space_prefix is True"),
        ("tokenizer.ggml.precompiled_charsmap", [1, 2], r"precompiled_charsmap is not read"),
        ("tokenizer.ggml.eos_token_id", 300, r"eos_token_id is 300, and there are 300 tokens"),
        ("tokenizer.ggml.add_bos_token", True, r"tokenizer\.ggml\.bos_token_id is missing"),
        ("tokenizer.ggml.tokens", ["a"] * 2, r"token_type has 300 values for 2 tokens"),
        ("tokenizer.ggml.merges", ["a nothing"], "its tokens and merges make no tokenizer"),
    ],
)
def test_a_key_that_can_not_be_used_is_named(
    key: str, value: object, message: str, small_llama: Any, tmp_path: Path
) -> None:
    check_refused(write_gguf(tmp_path / "x.gguf", small_llama, keys={key: value}), message)


@pytest.mark.parametrize(
    ("family", "key", "value", "message"),
    [
        ("Phi3", "phi3.rope.scaling.type", "yarn", r"phi3\.rope\.scaling\.type is yarn"),
        ("Phi3", "phi3.rope.scaling.factor", 2.0, r"phi3\.rope\.scaling\.factor is 2\.0"),
        ("Qwen2", "qwen2.attention.key_length", 4, "a head has the size 4, and qwen2 has 8"),
        ("Qwen2", "qwen2.rope.scaling.yarn_ext_factor", 2.0, "yarn_ext_factor is not read"),
        ("Gemma2", "gemma2.attention.sliding_window_pattern", [True], "has 1 values for 3 layers"),
        ("GPT2", "gpt2.rope.freq_base", 500.0, r"gpt2\.rope\.freq_base is not read"),
    ],
)
def test_a_key_that_a_network_does_not_have_is_named(
    family: str, key: str, value: object, message: str, tmp_path: Path
) -> None:
    network = build_network(build_config(family))
    check_refused(write_gguf(tmp_path / "x.gguf", network, keys={key: value}), message)


@pytest.mark.parametrize(
    "key",
    [
        "general.author",
        "general.sampling.temp",
        "general.quantization_version",
        "quantize.imatrix.file",
        "mradermacher.quantized_by",
        "llama.tensor_data_layout",
        "tokenizer.chat_template.tool_use",
        "tokenizer.ggml.fim_pre_token_id",
    ],
)
def test_a_key_without_effect_is_taken(key: str, small_llama: Any, tmp_path: Path) -> None:
    value = 1 if key.endswith("id") else "text"
    open_checkpoint(write_gguf(tmp_path / "x.gguf", small_llama, keys={key: value}))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"blk.1.ffn_up.weight": None}, r"the tensor blk\.1\.ffn_up\.weight is missing"),
        ({"token_embd.weight": None}, r"the tensor token_embd\.weight is missing"),
        (
            {f"blk.0.ffn_{name}_exps.weight": np.zeros((2, 4, 32), np.float32) for name in ("up", "down")},
            r"the tensor blk\.0\.ffn_down_exps\.weight has no place in the network",
        ),
        (
            {"blk.0.attn_q.bias": np.zeros(32, np.float32)},
            r"the tensor blk\.1\.attn_q\.bias is missing",
        ),
        ({"blk.3.attn_q.weight": np.zeros((32, 32), np.float32)}, r"blk\.3\.attn_q\.weight has no place"),
        (
            {"output_norm.weight": np.zeros(31, np.float32)},
            r"output_norm\.weight is \[31\], and must be \[32\]",
        ),
        ({"rope_freqs.weight": np.ones(3, np.float32)}, r"rope_freqs\.weight is \[3\], and must be \[4\]"),
        ({"rope_factors_long.weight": np.ones(4, np.float32)}, r"rope_factors_short\.weight is missing"),
        ({"output_norm.weight": np.zeros(32, np.int32)}, r"output_norm\.weight is of the type I32"),
    ],
)
def test_a_tensor_that_is_missing_or_has_no_place_is_named(
    tensors: dict[str, np.ndarray | None], message: str, small_llama: Any, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "x.gguf", small_llama, tensors=tensors)
    with pytest.raises(ModelError, match=message):
        list(open_checkpoint(path).load_weights())


def test_biases_of_some_kinds_leave_the_others_zero(small_llama: Any, tmp_path: Path) -> None:
    biases: dict[str, np.ndarray | None] = {
        f"blk.{layer}.attn_{kind}.bias": np.ones(size, np.float32)
        for layer in range(3)
        for kind, size in (("q", 32), ("k", 16), ("v", 16))
    }
    checkpoint = open_checkpoint(write_gguf(tmp_path / "x.gguf", small_llama, tensors=biases))
    weights = dict(checkpoint.load_weights())
    assert checkpoint.config["attention_bias"] is True
    assert weights["model.layers.2.self_attn.k_proj.bias"].tolist() == [1.0] * 16
    assert weights["model.layers.2.self_attn.o_proj.bias"].tolist() == [0.0] * 32
