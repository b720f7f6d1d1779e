"""Where a text may end: `ignore_eos` and `min_new_tokens`."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.errors import PromptError
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_rows

LIMIT = 24


@pytest.fixture(scope="module")
def model(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of which every fourth token ends a text."""
    folder = tmp_path_factory.mktemp("models") / "ending"
    shutil.copytree(llama, folder)
    config = {"eos_token_id": list(range(0, 300, 4))}
    (folder / "generation_config.json").write_text(json.dumps(config))
    return folder


def generate(folder: Path, model: Path, engine: str, **changed: Any) -> list[dict[str, Any]]:
    settings = Settings(model=str(model), engine=engine, device="cpu", max_new_tokens=LIMIT, logprobs=0)
    run(replace(settings, num_return_sequences=12, **changed), folder)
    return read_rows(folder)


def ids(row: dict[str, Any]) -> list[float]:
    """What tells the row's tokens from others'."""
    return [token["token"] for token in row["token_logprobs"]]


@pytest.mark.model
@pytest.mark.parametrize("engine", ["openvino", "transformers"])
def test_a_text_goes_on_behind_its_end(model: Path, tmp_path: Path, engine: str) -> None:
    ended = generate(tmp_path / "ended", model, engine)
    rows = generate(tmp_path / "rows", model, engine, ignore_eos=True)
    assert any(row["finish_reason"] == "stop" for row in ended)
    assert {(row["finish_reason"], row["new_tokens"]) for row in rows} == {("length", LIMIT)}
    for row, short in zip(rows, ended, strict=True):
        assert ids(row)[: short["new_tokens"]] == ids(short)


@pytest.mark.model
@pytest.mark.parametrize("engine", ["openvino", "transformers"])
@pytest.mark.parametrize("changed", [{}, {"greedy": True}, {"top_k": 0}, {"min_p": 0.01}], ids=str)
def test_no_text_ends_before_its_fewest_tokens(
    model: Path, tmp_path: Path, engine: str, changed: dict[str, Any]
) -> None:
    rows = generate(tmp_path, model, engine, min_new_tokens=10, **changed)
    counts = [row["new_tokens"] for row in rows]
    assert min(counts) > 10
    assert changed == {"greedy": True} or min(counts) < LIMIT


@pytest.mark.parametrize(
    ("fewest", "completion"),
    [(0, " a "), (2, " a "), (3, " a b c d a "), (4, " a b c d a "), (7, " a b c d a b c d")],
)
def test_a_stop_text_that_comes_earlier_is_part_of_the_text(
    tmp_path: Path, fewest: int, completion: str
) -> None:
    settings = Settings(engine="echo", prompt="a b c d", stop=("b c",), num_return_sequences=1)
    run(replace(settings, min_new_tokens=fewest, max_new_tokens=8), tmp_path)
    (row,) = read_rows(tmp_path)
    assert row["completion"] == completion
    assert row["finish_reason"] == ("length" if fewest == 7 else "stop")


def test_more_tokens_than_there_may_be_are_one_line(tmp_path: Path) -> None:
    settings = Settings(engine="echo", max_new_tokens=3, min_new_tokens=4)
    with pytest.raises(
        PromptError,
        match=r"^prompt: min_new_tokens \(4\) is more than the 3 new tokens that there may be",
    ):
        run(settings, tmp_path)
