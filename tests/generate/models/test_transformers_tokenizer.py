"""A tokenizer that is missing or broken is told as that."""

from pathlib import Path

import pytest

from job.errors import ModelError
from job.generate.models.find import find_model
from job.generate.models.transformers_tokenizer import load_tokenizer
from tests.generate.models.conftest import change_config

pytestmark = pytest.mark.model


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "gemma", "qwen2", "gpt_neox", "bloom", "mamba"])
@pytest.mark.parametrize("config", [True, False])
def test_a_tokenizer_without_its_files_is_missing(gpt2_copy: Path, model_type: str, config: bool) -> None:
    change_config(gpt2_copy, model_type=model_type)
    (gpt2_copy / "tokenizer.json").unlink()
    if not config:
        (gpt2_copy / "tokenizer_config.json").unlink()
    with pytest.raises(
        ModelError, match=r"^model '.*': its tokenizer is missing; put its tokenizer\.json"
    ) as raised:
        load_tokenizer(find_model(str(gpt2_copy)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("file", "packages"),
    [
        ("tokenizer.model", ["sentencepiece", "protobuf"]),
        ("spiece.model", ["sentencepiece", "protobuf"]),
        ("qwen.tiktoken", ["tiktoken"]),
    ],
)
def test_a_tokenizer_that_needs_a_package_names_it(gpt2_copy: Path, file: str, packages: list[str]) -> None:
    change_config(gpt2_copy, model_type="llama")
    (gpt2_copy / "tokenizer.json").unlink()
    (gpt2_copy / file).write_bytes(b"\n\x0b\n\x05<unk>")
    message = rf"its {file} is read by {' and '.join(packages)}; run: pip install {' '.join(packages)}$"
    with pytest.raises(ModelError, match=message):
        load_tokenizer(find_model(str(gpt2_copy)))


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
def test_a_torn_file_of_a_tokenizer_is_named(gpt2_copy: Path, file: str) -> None:
    (gpt2_copy / file).write_bytes((gpt2_copy / file).read_bytes()[:10])
    with pytest.raises(ModelError, match=f"{file} is not JSON$"):
        load_tokenizer(find_model(str(gpt2_copy)))


@pytest.mark.parametrize("template", ["5", '{"default": true}'])
def test_a_chat_template_that_is_no_string_is_one_line(gpt2_copy: Path, template: str) -> None:
    (gpt2_copy / "tokenizer_config.json").write_text(f'{{"chat_template": {template}}}')
    with pytest.raises(ModelError, match=r"^model '.*': its chat_template is of type \w+, not a string$"):
        load_tokenizer(find_model(str(gpt2_copy)))


def test_code_of_a_tokenizer_is_never_run(gpt2_copy: Path) -> None:
    change_config(gpt2_copy, model_type="llama")
    (gpt2_copy / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["code.Own", null]}}'
    )
    (gpt2_copy / "code.py").write_text("raise SystemExit")
    with pytest.raises(ModelError, match=r"its tokenizer is code of its own .*, which is never run"):
        load_tokenizer(find_model(str(gpt2_copy)))
