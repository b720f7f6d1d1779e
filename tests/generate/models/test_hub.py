"""Models on the hub: which files are fetched, and what a hub that fails is told as."""

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from job.errors import ModelError, TextgenError
from job.generate.models.find import find_model
from job.generate.models.load import load_model
from tests.generate.models.hub_server import COMMIT, Hub, running_hub

pytestmark = pytest.mark.model

HTML = {"Content-Type": "text/html"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's library."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def server(gpt2: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has the model in parts, and other weights beside them."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(gpt2 / "model.safetensors")
    half = len(tensors) // 2
    parts = {"model-1.safetensors": list(tensors)[:half], "parts/model-2.safetensors": list(tensors)[half:]}
    files = {path.name: path.read_bytes() for path in gpt2.glob("*.json")}
    for part, names in parts.items():
        file = cache.with_name("part")
        save_file({name: tensors[name] for name in names}, file, {"format": "pt"})
        files[part] = file.read_bytes()
    weight_map = {name: part for part, names in parts.items() for name in names}
    files["model.safetensors.index.json"] = json.dumps({"metadata": {}, "weight_map": weight_map}).encode()
    others = ("consolidated.safetensors", "pytorch_model.bin", "model.gguf", "onnx/model.onnx", "README.md")
    files |= dict.fromkeys(others, b"not read")
    with running_hub(files) as served:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", served.url)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            served.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield served


def test_the_files_that_the_index_names_are_fetched_and_no_other_weights(server: Hub) -> None:
    files = find_model("owner/model")
    assert files.revision == COMMIT
    assert sorted(server.fetched) == [
        "config.json",
        "generation_config.json",
        "model-1.safetensors",
        "model.safetensors.index.json",
        "parts/model-2.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert load_model(files, "cpu").dtype == "float32"


def test_a_part_that_the_hub_lacks_is_named(server: Hub) -> None:
    del server.files["model-1.safetensors"]
    with pytest.raises(ModelError, match=r"^model 'owner/model': model-1\.safetensors is missing"):
        find_model("owner/model")


def test_an_incomplete_model_in_the_cache_is_completed_or_named(server: Hub, cache: Path) -> None:
    folder = find_model("owner/model").path
    (folder / "model-1.safetensors").unlink()
    server.answer = (500, {}, b"")
    with pytest.raises(
        ModelError, match=r"model-1\.safetensors is missing.*: it is in the cache in part, and"
    ):
        find_model("owner/model")
    server.answer = None
    assert (find_model("owner/model").path / "model-1.safetensors").is_file()


def test_a_model_in_the_cache_is_taken_while_the_hub_fails(server: Hub) -> None:
    folder = find_model("owner/model").path
    server.answer = (500, {}, b"")
    assert find_model("owner/model").path == folder


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {"X-Error-Message": "Invalid credentials in Authorization header"}, b""), "refuses the token"),
        ((403, {}, b"{}"), r"the hub refuses \(403\): the token of HF_TOKEN may not read it"),
        ((429, {}, b"{}"), r"the hub asks to wait \(429\)"),
        ((500, {}, b"{}"), "the hub answers 500: try again later"),
        ((503, HTML, b"<html>"), "answers 503 with a web page: the hub is down, or a proxy"),
        ((200, HTML, b"<html>"), "is not the hub: a proxy's page, or a wrong HF_ENDPOINT"),
    ],
)
def test_what_the_hub_answers_is_told_as_what_it_is(
    server: Hub, answer: tuple[int, dict[str, str], bytes], message: str
) -> None:
    server.answer = answer
    with pytest.raises(ModelError, match=f"^model 'owner/model': .*{message}") as raised:
        find_model("owner/model")
    assert "\n" not in str(raised.value)


def test_a_full_disk_is_told_as_one(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", fail)
    with pytest.raises(TextgenError, match=r"can't be downloaded to .*cache: No space left on device"):
        find_model("owner/model")


def test_a_hub_out_of_reach_is_one_line_that_says_what_to_do(server: Hub) -> None:
    import huggingface_hub.constants

    with running_hub({}) as closed:
        pass
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "ENDPOINT", closed.url)
        with pytest.raises(
            ModelError, match=r"the hub is out of reach \(ConnectError\); .*--model smollm2-135m"
        ):
            find_model("owner/model")


def test_without_the_hub_its_cache_is_read(gpt2: Path, cache: Path, offline: None) -> None:
    with pytest.raises(ModelError, match=r"'gpt2': HF_HUB_OFFLINE is set, .*; the cache does not hold it"):
        find_model("gpt2")
    model = cache / "models--gpt2"
    shutil.copytree(gpt2, model / "snapshots" / COMMIT)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    files = find_model("gpt2")
    assert (files.name, files.revision) == ("gpt2", COMMIT)
    assert load_model(files, "cpu").dtype == "float32"
