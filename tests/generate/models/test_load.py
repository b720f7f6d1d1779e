"""What can be loaded, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.errors import ModelError, TextgenError
from job.generate.models import load
from job.generate.models.find import find_model
from job.generate.models.load import load_model
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_rows
from tests.generate.models.conftest import change_config

pytestmark = pytest.mark.model


def test_a_model_that_writes_no_text_is_refused(gpt2_copy: Path) -> None:
    change_config(gpt2_copy, architectures=["GPT2ForSequenceClassification"])
    with pytest.raises(ModelError, match="GPT2ForSequenceClassification is not a causal language model"):
        load_model(find_model(str(gpt2_copy)), "cpu")


def test_older_checkpoints_write_the_class_in_other_case(gpt2_copy: Path) -> None:
    change_config(gpt2_copy, architectures=["Gpt2LMHeadModel"])
    load_model(find_model(str(gpt2_copy)), "cpu")


def test_torn_weights_are_one_line(gpt2_copy: Path) -> None:
    weights = gpt2_copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match="can't be loaded") as raised:
        load_model(find_model(str(gpt2_copy)), "cpu")
    assert "\n" not in str(raised.value)


def test_missing_weights_are_not_made_up(gpt2_copy: Path) -> None:
    change_config(gpt2_copy, n_layer=3)
    with pytest.raises(ModelError, match=r"weights are missing, for example transformer\.h\.2"):
        load_model(find_model(str(gpt2_copy)), "cpu")


def test_weights_of_another_size_are_named_with_both(gpt2_copy: Path) -> None:
    change_config(gpt2_copy, n_positions=64)
    message = r"transformer\.wpe\.weight is \[128, 32\] in the weights, and \[64, 32\] by config\.json$"
    with pytest.raises(ModelError, match=message):
        load_model(find_model(str(gpt2_copy)), "cpu")


def quantize(folder: Path) -> None:
    """Make it a block-FP8 checkpoint, as DeepSeek's and Qwen's are."""
    import torch
    from safetensors.torch import load_file, save_file

    block = 32
    change_config(
        folder,
        dtype="bfloat16",
        quantization_config={"quant_method": "fp8", "weight_block_size": [block, block]},
    )
    tensors = {}
    for name, weights in load_file(folder / "model.safetensors").items():
        if not name.endswith("_proj.weight"):
            tensors[name] = weights.to(torch.bfloat16)
            continue
        rows, columns = (size // block for size in weights.shape)
        blocks = weights.reshape(rows, block, columns, block)
        scales = blocks.abs().amax((1, 3), keepdim=True) / torch.finfo(torch.float8_e4m3fn).max
        tensors[name] = (blocks / scales).reshape(weights.shape).to(torch.float8_e4m3fn)
        tensors[f"{name}_scale_inv"] = scales.reshape(rows, columns)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def test_a_quantized_model_computes_in_its_own_type(llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "fp8"))
    quantize(folder)
    settings = Settings(model=str(folder), device="cpu", num_return_sequences=1)
    run(settings, tmp_path / "auto")
    run(replace(settings, dtype="bfloat16"), tmp_path / "bfloat16")
    assert read_rows(tmp_path / "auto") == read_rows(tmp_path / "bfloat16")
    with pytest.raises(TextgenError, match=r"its network failed: .*; try another --dtype$"):
        run(replace(settings, dtype="float32"), tmp_path / "float32")


def test_a_device_without_memory_for_the_weights_is_one_line(
    gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def fill_memory(*_: Any) -> None:
        torch.empty(2**60, dtype=torch.int8)

    monkeypatch.setattr(load, "_load_network", fill_memory)
    with pytest.raises(TextgenError, match=r"^cpu: out of memory for model .*; use --dtype bfloat16, or"):
        load_model(find_model(str(gpt2)), "cpu")


def test_a_model_that_is_too_large_for_its_gpu_is_told_of_several(
    gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    current: list[torch.device] = []

    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", current.append)
    monkeypatch.setattr(load, "_load_network", fail)
    with pytest.raises(TextgenError) as raised:
        load_model(find_model(str(gpt2)), "cuda:1")
    assert str(raised.value) == (
        f"cuda:1: out of memory for model {gpt2}; use --dtype bfloat16, several GPUs "
        "(--engine vllm --tensor-parallel-size N), or a smaller model"
    )
    assert current == [torch.device("cuda:1")]


@pytest.mark.parametrize("answer", ["y\n", ""])
def test_code_of_a_model_is_never_run(
    gpt2_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    ran = gpt2_copy / "ran"
    (gpt2_copy / "code.py").write_text(f"open({str(ran)!r}, 'w')\n")
    change_config(
        gpt2_copy, model_type="own", auto_map={"AutoConfig": "code.Own", "AutoModelForCausalLM": "code.Own"}
    )
    monkeypatch.setattr("builtins.input", lambda *_: answer.strip())
    with pytest.raises(ModelError, match=r"it is code of its own .*, which is never run") as raised:
        load_model(find_model(str(gpt2_copy)), "cpu")
    assert "\n" not in str(raised.value)
    assert not ran.exists()
    assert capsys.readouterr() == ("", "")


def test_what_a_folder_brings_for_a_known_class_is_not_run_either(gpt2_copy: Path) -> None:
    (gpt2_copy / "code.py").write_text("raise SystemExit")
    change_config(gpt2_copy, auto_map={"AutoModelForCausalLM": "code.Own"})
    load_model(find_model(str(gpt2_copy)), "cpu")


@pytest.mark.parametrize(
    ("eos_token_id", "stop_ids"), [(300, (0,)), ([5, 400], (5,)), (-1, (0,)), ([7, 8], (7, 8)), (None, (0,))]
)
def test_an_end_of_text_outside_the_vocabulary_is_said_and_left_out(
    gpt2_copy: Path, capsys: pytest.CaptureFixture[str], eos_token_id: object, stop_ids: tuple[int, ...]
) -> None:
    change_config(gpt2_copy, eos_token_id=eos_token_id)
    (gpt2_copy / "generation_config.json").write_text(json.dumps({"eos_token_id": eos_token_id}))
    assert load_model(find_model(str(gpt2_copy)), "cpu").stop_ids == stop_ids
    said = capsys.readouterr().err
    outside = [token for token in (-1, 300, 400) if str(token) in str(eos_token_id)]
    assert said.count("\n") == len(outside)
    assert all(f"its end-of-text token {token} is outside its 300 tokens" in said for token in outside)


def test_code_in_pickled_weights_is_not_run(gpt2_copy: Path) -> None:
    import torch

    ran = gpt2_copy / "ran"

    class Touch:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return open, (str(ran), "w")  # type: ignore[return-value]

    (gpt2_copy / "model.safetensors").unlink()
    torch.save({"weights": Touch()}, gpt2_copy / "pytorch_model.bin")
    with pytest.raises(
        ModelError, match="its pickled weights hold more than tensors, and code in them is never run"
    ):
        load_model(find_model(str(gpt2_copy)), "cpu")
    assert not ran.exists()
