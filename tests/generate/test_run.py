"""A run from settings to files, with a small random model."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.errors import InputError, ModelError, PromptError, TextgenError
from job.generate import outputs
from job.generate.engines.engine import Completion, Completions, Row
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_rows

pytestmark = pytest.mark.model


def test_a_run_leaves_texts_rows_and_a_record(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path)
    rows = read_rows(tmp_path)
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5]
    assert len({row["text"] for row in rows}) == 5
    for row in rows:
        assert row["id"] == "prompt"
        assert row["text"].startswith(settings.prompt)
        ended = row["prompt_tokens"] + row["new_tokens"] == settings.max_length
        assert row["finish_reason"] == ("length" if ended else "stop")
    texts = (tmp_path / outputs.TEXTS).read_text()
    assert texts == "\n".join(f"---\nOutput {row['sequence']} of 5\n---\n\n{row['text']}\n" for row in rows)
    record = json.loads((tmp_path / outputs.RECORD).read_text())
    assert (record["state"], record["rows"], record["settings"]["seed"]) == ("completed", 5, 42)
    assert record["run"]["dtype"] == "float32"


def test_max_new_tokens_counts_from_the_prompt(settings: Settings, tmp_path: Path) -> None:
    run(replace(settings, max_length=1, max_new_tokens=3, greedy=True), tmp_path)
    assert [row["new_tokens"] for row in read_rows(tmp_path)] == [3] * 5


def test_a_run_that_fails_closes_what_generates(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from job.generate.engines.echo import EchoEngine

    events = []

    def generate(rows: Iterable[Row]) -> Completions:
        try:
            for row in rows:
                yield row, Completion((1,), "length")
        finally:
            events.append("closed")

    def fail(*_: object) -> None:
        raise TextgenError("the disk is full")

    monkeypatch.setattr(EchoEngine, "load", lambda *_: generate)
    monkeypatch.setattr(outputs.Outputs, "add", fail)
    try:
        run(replace(settings, engine="echo"), tmp_path)
    except TextgenError:  # whose frames are still there
        assert events == ["closed"]


@pytest.mark.parametrize("rows", [0, 1, 4, 6, 11])
def test_a_resumed_run_is_the_same_to_the_byte(
    settings: Settings, prompts_file: str, tmp_path: Path, rows: int
) -> None:
    settings = replace(settings, prompts=prompts_file, num_return_sequences=3)
    run(settings, tmp_path)
    file = tmp_path / outputs.ROWS
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:rows]) + lines[rows][:20])
    (tmp_path / outputs.TEXTS).unlink()
    run(settings, tmp_path)
    assert file.read_bytes() == whole
    assert (tmp_path / outputs.TEXTS).exists()


def test_a_torn_batch_is_computed_in_its_whole_shape(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, num_return_sequences=11)
    run(settings, tmp_path)
    file = tmp_path / outputs.ROWS
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:6]))
    from job.generate.engines import transformers

    generate, batches = transformers.generate, []

    def generate_and_note(model: Any, rows: Any, settings: Settings) -> Any:
        batches.append([row.sequence for row in rows])
        return generate(model, rows, settings)

    monkeypatch.setattr(transformers, "generate", generate_and_note)
    run(settings, tmp_path)
    assert batches == [[5, 6, 7, 8], [9, 10, 11]]


def test_a_run_that_is_whole_is_not_computed_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(settings, num_return_sequences=1)
    run(settings, tmp_path)
    monkeypatch.setattr("job.generate.engines.transformers.generate", None)
    capsys.readouterr()
    run(settings, tmp_path)
    said = capsys.readouterr().err.splitlines()[1:]
    assert said == ["1 text is done already", f"1 text in {tmp_path / outputs.TEXTS}"]


def test_the_texts_of_another_run_are_not_mixed_in(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"another run \(seed 42, not 7; other prompts\); use --overwrite"):
        run(replace(settings, seed=7, prompt="Once upon"), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    run(replace(settings, seed=7), tmp_path, overwrite=True)
    assert read_rows(tmp_path)[0]["text"] not in before[tmp_path / outputs.ROWS].decode()


def test_a_stopped_run_says_so(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("job.generate.engines.transformers.generate", stop)
    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path)
    assert json.loads((tmp_path / outputs.RECORD).read_text())["state"] == "stopped"
    assert capsys.readouterr().err.endswith("stopped at 0 of 5 texts; the same command goes on\n")


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            {"max_length": 8},
            PromptError,
            r"^prompt: max_length \(8\) must be above the prompt's \d+ tokens; raise it, or give",
        ),
        ({"max_new_tokens": 500}, PromptError, r"are more than the context of .* \(128 tokens\)"),
        ({"prompt": " "}, PromptError, "an empty prompt"),
        ({"model": "./nothing"}, ModelError, r"'\./nothing': no such file or folder"),
        ({"device": "cuda:99"}, ModelError, "device cuda:99: torch can't use one here"),
    ],
)
def test_bad_input_leaves_nothing(
    settings: Settings, tmp_path: Path, changed: dict[str, Any], error: type[TextgenError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(replace(settings, **changed), tmp_path / "outputs")
    assert not (tmp_path / "outputs").exists()


def test_a_token_that_the_model_lacks_is_named_with_both_sizes(
    settings: Settings, tmp_path: Path, gpt2: Path
) -> None:

    from transformers import AutoTokenizer

    model = tmp_path / "model"
    shutil.copytree(gpt2, model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save_pretrained(model)
    changed = replace(settings, model=str(model))
    run(changed, tmp_path / "outputs")
    with pytest.raises(PromptError, match=r"has no token 300 \('<extra>'\): it has 300, its tokenizer 301;"):
        run(replace(changed, prompt="one <extra> word"), tmp_path / "other")


def test_an_end_of_text_outside_the_vocabulary_pads_nothing(
    settings: Settings, prompts_file: str, tmp_path: Path, gpt2: Path
) -> None:

    model = tmp_path / "model"
    shutil.copytree(gpt2, model)
    (model / "generation_config.json").write_text('{"eos_token_id": 300}')
    run(replace(settings, model=str(model), prompts=prompts_file), tmp_path / "outputs")
    assert len(read_rows(tmp_path / "outputs")) == 20
