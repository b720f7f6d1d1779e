"""The tokens that end a text, with and without transformers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from job.errors import ModelError
from job.generate.engines.openvino.engine import OpenvinoEngine
from job.generate.models.find import find_model
from job.generate.models.load import load_model
from job.generate.models.stop_ids import select_stop_ids
from job.generate.settings import Settings
from tests.generate.models.conftest import change_config
from tests.generate.models.gguf.conftest import build_config, build_network
from tests.generate.models.gguf.writer import write_gguf

pytestmark = pytest.mark.model


@pytest.mark.parametrize(
    ("value", "ids"), [(None, ()), (0, (0,)), ([1, 2], (1, 2)), ([], ()), ([None, 3], (3,))]
)
def test_they_are_one_many_or_none(value: object, ids: tuple[int, ...]) -> None:
    assert select_stop_ids("m", [value], None) == ids


@pytest.mark.parametrize("value", ["</s>", 1.5, True, [1, "x"], {"a": 1}])
def test_what_is_no_token_is_one_line(value: object) -> None:
    with pytest.raises(ModelError, match=r"^model 'm': its eos_token_id is .*, not a token's number$"):
        select_stop_ids("m", [value], None)


def test_the_first_that_the_network_has_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert select_stop_ids("m", [[7, -1], 3], 5) == (3,)
    assert capsys.readouterr().err.splitlines() == [
        f"model m: its end-of-text token {token} is outside its 5 tokens and ends no text"
        for token in (7, -1)
    ]


@pytest.mark.parametrize("model_type", ["gpt2", "llama"])
@pytest.mark.parametrize(
    ("config", "generation_config"),
    [
        ({"eos_token_id": 5}, None),
        ({"eos_token_id": [5, 6]}, None),
        ({"eos_token_id": None}, None),
        ({}, None),
        ({"eos_token_id": 5}, {"eos_token_id": [7, 8]}),
        ({"eos_token_id": 5}, {}),
        ({"eos_token_id": 5}, {"eos_token_id": None}),
        ({"eos_token_id": 900}, None),
    ],
)
def test_without_transformers_they_are_the_same(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    model_type: str,
    config: dict[str, Any],
    generation_config: Any,
) -> None:
    folder = Path(shutil.copytree(request.getfixturevalue(model_type), tmp_path / "model"))
    values = json.loads((folder / "config.json").read_text())
    del values["eos_token_id"]
    (folder / "config.json").write_text(json.dumps(values | config))
    (folder / "generation_config.json").unlink(missing_ok=True)
    if generation_config is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation_config))
    assert_equal_in_both_engines(folder)


@pytest.mark.parametrize("ends", [{}, {"eot_token_id": 5}, {"eos_token_id": None}])
def test_those_of_a_gguf_file_are_the_same(tmp_path: Path, ends: dict[str, Any]) -> None:
    keys = {f"tokenizer.ggml.{name}": value for name, value in ends.items()}
    assert_equal_in_both_engines(write_gguf(tmp_path / "x.gguf", build_network(build_config("Llama")), keys))


def assert_equal_in_both_engines(path: Path) -> None:
    files = find_model(str(path))
    assert OpenvinoEngine(files, Settings()).stop_ids == load_model(files, "cpu").stop_ids


def test_a_torn_generation_config_is_named(gpt2_copy: Path) -> None:
    change_config(gpt2_copy, eos_token_id=5)
    (gpt2_copy / "generation_config.json").write_text('{"eos_token')
    with pytest.raises(ModelError, match=r"generation_config\.json is not a JSON object$"):
        find_model(str(gpt2_copy))
