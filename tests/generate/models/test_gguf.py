"""A GGUF file becomes a folder that loads fast, once, also after a kill or with two processes."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from job.errors import ModelError
from job.generate.models import gguf
from job.generate.models.find import find_model
from job.generate.models.load import Model, load_model

pytestmark = pytest.mark.model


@pytest.fixture(autouse=True)
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, but for the embedded model, which takes a minute to convert."""
    if "smollm2" not in request.fixturenames:
        monkeypatch.setenv("TEXTGEN_CACHE", str(request.getfixturevalue("tmp_path") / "cache"))


@pytest.fixture(scope="module")
def smollm2() -> Model:
    return load_model(find_model("smollm2-135m"), "cpu")


@pytest.fixture
def file(tmp_path: Path, llama: Path) -> Path:
    """The random Llama of the other tests as a GGUF file, its rotary weights in that format's order."""
    from gguf import GGUFWriter
    from safetensors.numpy import load_file

    path = tmp_path / "small.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(300)
    learned = json.loads((llama / "tokenizer.json").read_text())["model"]
    tokens = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] + [1] * (len(tokens) - 1))
    writer.add_token_merges([" ".join(pair) for pair in learned["merges"]])
    writer.add_eos_token_id(0)
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "lm_head": "output",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "model.layers": "blk",
    }
    for name, weights in load_file(llama / "model.safetensors").items():
        rotary = "q_proj" in name or "k_proj" in name
        ordered = weights.reshape(2, 2, 8, 32).swapaxes(1, 2).reshape(32, 32) if rotary else weights
        for original_name, gguf_name in names.items():
            name = name.replace(original_name, gguf_name)  # noqa: PLW2901
        writer.add_tensor(name, np.ascontiguousarray(ordered))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_converted_model_is_the_one_it_was_made_from(file: Path, llama: Path) -> None:
    import torch

    converted = load_model(find_model(str(file)), "cpu")
    original = load_model(find_model(str(llama)), "cpu")
    text = "Once upon a time  42 é\n"
    tokens = converted.tokenizer(text).input_ids
    assert tokens == original.tokenizer(text).input_ids
    assert converted.tokenizer.decode(tokens) == text
    with torch.inference_mode():
        logits = [model.network(torch.tensor([tokens])).logits for model in (converted, original)]
    torch.testing.assert_close(*logits)
    assert (converted.stop_ids, converted.context_length) == ((0,), 128)


def test_two_at_once_convert_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def write(_: Path, folder: Path) -> None:
        written.append(folder)
        folder.mkdir()

    monkeypatch.setattr(gguf, "_write", write)
    with ThreadPoolExecutor() as pool:
        folders = list(pool.map(lambda _: gguf.convert(file, "small"), range(4)))
    assert len(written) == 1
    assert len(set(folders)) == 1
    assert folders[0].is_dir()


def test_what_a_killed_conversion_left_is_no_model(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "half").touch()
        raise KeyboardInterrupt

    def write(_: Path, folder: Path) -> None:
        folder.mkdir()

    monkeypatch.setattr(gguf, "_write", die)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        gguf.convert(file, "small")
    monkeypatch.undo()
    monkeypatch.setattr(gguf, "_write", write)
    assert not list(gguf.convert(file, "small").iterdir())


def test_another_file_of_the_same_name_is_another_model(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "_write", lambda _, folder: folder.mkdir())
    first = gguf.convert(file, "small")
    file.write_bytes(file.read_bytes() + b"\0")
    assert gguf.convert(file, "small") != first


@pytest.mark.parametrize("content", [b"", b"not a GGUF file", b"GGUF\3\0\0\0"])
def test_a_file_that_is_no_gguf_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.gguf: not a GGUF file") as raised:
        find_model(str(tmp_path / "x.gguf"))
    assert "\n" not in str(raised.value)
    assert not [path for path in (tmp_path / "cache/models").iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize(
    "text", ["Hello, I'm a language model,", "In  2024, 12.5 naïve\n\n\tcafés 世界 🙂", " <b>"]
)
def test_the_embedded_tokenizer_brings_any_text_back(smollm2: Model, text: str) -> None:
    assert smollm2.tokenizer.decode(smollm2.tokenizer(text).input_ids) == text


def test_the_embedded_tokenizer_takes_each_digit_alone(smollm2: Model) -> None:
    tokens = smollm2.tokenizer.convert_ids_to_tokens(smollm2.tokenizer("x   42").input_ids)
    assert tokens == ["x", "ĠĠĠ", "4", "2"]


def test_the_embedded_model_knows_what_it_is_told(smollm2: Model, tmp_path: Path) -> None:
    from job.generate.engines.rows import Row
    from job.generate.engines.transformers import generate
    from job.generate.prompts import Prompt
    from job.generate.settings import Settings

    prompt = Prompt("prompt", "The capital of France is")
    row = Row(prompt, tuple(smollm2.tokenizer(prompt.text).input_ids), 1, 2)
    assert generate(smollm2, [row], Settings(greedy=True))[0].text == f"{prompt.text} Paris."
