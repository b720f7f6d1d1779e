"""LoRA adapters: applied to their base where peft is installed, else refused."""

import importlib.util
import json
from pathlib import Path

import pytest

from job.errors import ModelError
from job.generate.models.find import find_model
from job.generate.models.load import load_model

pytestmark = pytest.mark.model


@pytest.fixture
def peft(monkeypatch: pytest.MonkeyPatch) -> None:
    """find_model takes peft for installed."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: find_spec("torch" if name == "peft" else name)
    )


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of the adapters that were applied."""
    folders: list[str] = []
    monkeypatch.setattr("transformers.GPT2LMHeadModel.load_adapter", lambda _, folder: folders.append(folder))
    return folders


def make_adapter(folder: Path, base: object) -> Path:
    folder.mkdir(exist_ok=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return folder


def test_without_peft_an_adapter_is_refused_by_name(gpt2: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", str(gpt2))
    message = rf"it is a LoRA adapter of '{gpt2}' .* run: pip install peft$"
    with pytest.raises(ModelError, match=message):
        find_model(str(adapter))


def test_without_peft_an_adapter_beside_its_base_is_refused_too(gpt2_copy: Path) -> None:
    make_adapter(gpt2_copy, "owner/base")
    with pytest.raises(ModelError, match=r"it is a LoRA adapter of 'owner/base'"):
        find_model(str(gpt2_copy))


def test_an_adapter_goes_onto_its_base(gpt2: Path, tmp_path: Path, peft: None, applied: list[str]) -> None:
    adapter = make_adapter(tmp_path / "adapter", str(gpt2))
    files = find_model(str(adapter))
    assert (files.path, files.adapter) == (gpt2, adapter)
    assert files.revision.endswith(f"+{find_model(str(gpt2)).revision}")
    load_model(files, "cpu")
    assert applied == [str(adapter)]


def test_another_adapter_is_another_revision(gpt2: Path, tmp_path: Path, peft: None) -> None:
    adapter = make_adapter(tmp_path / "adapter", str(gpt2))
    before = find_model(str(adapter)).revision
    (adapter / "adapter_model.safetensors").write_bytes(b"other")
    assert find_model(str(adapter)).revision != before


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (None, r"adapter_config\.json has no base_model_name_or_path"),
        ("./nothing", r"'\./nothing': no such file or folder"),
        ("adapter", "it is an adapter of 'adapter', which has one itself"),
        ("smollm2-135m", r"it is an adapter of a GGUF file \(smollm2-135m\), which takes none"),
    ],
)
def test_an_adapter_without_its_base_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peft: None, base: object, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_adapter(tmp_path / "adapter", base)
    with pytest.raises(ModelError, match=message):
        find_model("./adapter")
