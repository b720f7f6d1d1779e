"""Which files of a checkpoint loading reads."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from job.errors import ModelError
from job.generate.models.checkpoint import check_folder, select_files

PARTS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = json.dumps({"weight_map": dict(zip("ab", PARTS, strict=True))})
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
ADAPTER = ["adapter_config.json", "adapter_model.safetensors"]


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["model.safetensors", "consolidated.safetensors", "model.fp16.safetensors"], ["model.safetensors"]),
        (["pytorch_model.bin", "training_args.bin", "tf_model.h5"], ["pytorch_model.bin"]),
        (
            [*PARTS, "model.safetensors.index.json", "consolidated.safetensors"],
            [*PARTS, "model.safetensors.index.json"],
        ),
        (["model.safetensors.index.json"], [*PARTS, "model.safetensors.index.json"]),
        (["pytorch_model.bin", *ADAPTER], [ADAPTER[1], "pytorch_model.bin"]),
        ([*ADAPTER, "adapter_model.bin"], [ADAPTER[1]]),
        (["pytorch_model.bin", ADAPTER[1]], ["pytorch_model.bin"]),
        (["onnx/model.safetensors", "model.gguf"], []),
    ],
)
def test_the_weights_are_those_that_loading_takes(names: list[str], weights: list[str]) -> None:
    selected = select_files("m", ["tokenizer.json", *names], lambda _: INDEX.encode())
    texts = {"tokenizer.json", "adapter_config.json"}
    assert [name for name in selected if name not in texts] == weights


def test_a_configuration_may_name_the_weights() -> None:
    config = json.dumps({"transformers_weights": "model.fp8.safetensors"}).encode()
    names = ["config.json", "model.safetensors", "model.fp8.safetensors"]
    assert select_files("m", names, lambda _: config) == ["config.json", "model.fp8.safetensors"]


def test_the_files_of_tokenizers_are_read() -> None:
    names = ["config.json", "vocab.txt", "merges.txt", "spiece.model", "source.spm", "chat_template.jinja"]
    names += ["bpe.codes", "qwen.tiktoken"]
    assert select_files("m", [*names, "README.md", "cover.png"], lambda _: b"{}") == sorted(names)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"has no config\.json"),
        ({"config.json": "["}, r"config\.json is not a JSON object"),
        ({"config.json": "{}"}, r"no weights that can be loaded: no model\.safetensors"),
        ({"config.json": "{}", "a.gguf": ""}, r"no weights that can be loaded; give its file a\.gguf"),
        ({"adapter_config.json": "{}"}, "no weights that can be loaded"),
        ({"config.json": "{}", "model.safetensors": POINTER}, r"model\.safetensors is a Git LFS pointer"),
        ({"config.json": "{}", "tokenizer.json": POINTER}, r"tokenizer\.json is a Git LFS pointer"),
        (
            {"config.json": "{}", "model.safetensors.index.json": INDEX, PARTS[0]: ""},
            r"model-00002-of-00002\.safetensors is missing, which the index of the weights names",
        ),
        ({"config.json": "{}", "model.safetensors.index.json": "{}"}, "is not an index"),
    ],
)
def test_what_is_no_whole_checkpoint_is_refused(
    make: Callable[..., Path], files: dict[str, str], message: str
) -> None:
    with pytest.raises(ModelError, match=f"^model 'm': .*{message}") as raised:
        check_folder("m", make(files))
    assert "\n" not in str(raised.value)
