"""Which texts the transformers engine generates."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.errors import TextgenError
from job.generate.engines.engine import Row
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import END, PROMPTS, read_rows, read_texts

pytestmark = pytest.mark.model


@pytest.mark.parametrize("model", ["gpt2", "llama"])
def test_greedy_texts_are_those_of_the_pipeline(
    request: pytest.FixtureRequest, settings: Settings, model: str, prompts_file: str, tmp_path: Path
) -> None:
    from transformers import pipeline

    folder = request.getfixturevalue(model)
    settings = replace(settings, model=str(folder), greedy=True, num_return_sequences=1, prompts=prompts_file)
    run(settings, tmp_path)
    pipe = pipeline("text-generation", model=str(folder), device="cpu")
    expected = [
        pipe(prompt, do_sample=False, max_length=60, max_new_tokens=None)[0]["generated_text"]
        for prompt in PROMPTS
    ]
    assert [row["text"] for row in read_rows(tmp_path)] == expected


def test_the_ends_of_a_text_are_the_model_s_and_a_prompt_is_taken_as_it_is(
    llama: Path, settings: Settings, tmp_path: Path
) -> None:
    from tokenizers import processors
    from transformers import AutoTokenizer, pipeline

    model = tmp_path / "model"
    shutil.copytree(llama, model)
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    adds_begin = processors.TemplateProcessing(single=f"{END} $A", special_tokens=[(END, 0)])
    tokenizer.backend_tokenizer.post_processor = adds_begin
    tokenizer.save_pretrained(model)
    prompt = f"{END}Once upon"
    assert tokenizer(prompt).input_ids[:2] == [0, 0]
    settings = replace(settings, model=str(model), greedy=True, num_return_sequences=1, prompt=prompt)

    def pipe(**options: bool) -> Any:
        pipe: Any = pipeline("text-generation", model=str(model), device="cpu")
        return pipe(prompt, do_sample=False, max_length=60, max_new_tokens=None, **options)[0]

    run(settings, tmp_path / "outputs")
    (row,) = read_rows(tmp_path / "outputs")
    assert row["text"] == pipe()["generated_text"]
    third = pipe(return_tensors=True)["generated_token_ids"][row["prompt_tokens"] + 2]
    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": third}))
    run(settings, tmp_path / "ended")
    (row,) = read_rows(tmp_path / "ended")
    assert (row["text"], row["finish_reason"]) == (pipe()["generated_text"], "stop")


def test_a_text_is_its_own_whatever_runs_beside_it(
    settings: Settings, prompts_file: str, tmp_path: Path
) -> None:
    together = replace(settings, prompts=prompts_file, num_return_sequences=3)
    run(together, tmp_path / "all")
    turned = tmp_path / "turned.txt"
    turned.write_text("\n".join(reversed(PROMPTS[1:])))
    run(replace(together, prompts=str(turned), batch_size=7), tmp_path / "some")
    assert read_texts(tmp_path / "some").items() < read_texts(tmp_path / "all").items()


def test_the_repetition_penalty_does_not_see_the_padding(
    settings: Settings, prompts_file: str, tmp_path: Path
) -> None:
    settings = replace(settings, prompts=prompts_file, num_return_sequences=1, repetition_penalty=1.7)
    run(settings, tmp_path / "together")
    run(replace(settings, batch_size=1), tmp_path / "alone")
    assert read_texts(tmp_path / "together") == read_texts(tmp_path / "alone")


@pytest.mark.parametrize("changed", [{"seed": 7}, {"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.5}])
def test_another_setting_makes_other_texts(
    settings: Settings, tmp_path: Path, changed: dict[str, Any]
) -> None:
    run(settings, tmp_path / "a")
    run(replace(settings, **changed), tmp_path / "b")
    assert read_texts(tmp_path / "a") != read_texts(tmp_path / "b")


def test_a_short_prompt_and_a_long_one_fill_the_context(settings: Settings, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"Once\n{'dog ' * 30}\n")
    whole = replace(settings, prompts=str(prompts), max_length=128, num_return_sequences=1)
    run(whole, tmp_path / "together")
    run(replace(whole, batch_size=1), tmp_path / "alone")
    assert read_texts(tmp_path / "together") == read_texts(tmp_path / "alone")


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        (
            lambda torch: torch.empty(2**60, dtype=torch.int8),
            "^prompt: cpu: out of memory; lower max_length or max_new_tokens$",
        ),
        (
            lambda torch: torch.zeros(2)[3],
            "^model '.*': its network failed: IndexError: index 3 is out of bounds",
        ),
    ],
)
def test_what_the_library_raises_is_one_line(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fail: Callable[[Any], object],
    message: str,
) -> None:
    import torch
    from transformers import GPT2LMHeadModel

    def generate(*_: object, **__: object) -> None:
        fail(torch)

    monkeypatch.setattr(GPT2LMHeadModel, "generate", generate)
    with pytest.raises(TextgenError, match=message) as raised:
        run(settings, tmp_path)
    assert "\n" not in str(raised.value)


def limit_memory(monkeypatch: pytest.MonkeyPatch, fits: Callable[[Sequence[Row]], bool]) -> None:
    """Let the memory run out for the batches that do not fit."""
    from job.generate.engines import transformers

    generate = transformers._generate_group

    def generate_if_it_fits(model: Any, rows: Sequence[Row], settings: Settings) -> Any:
        if not fits(rows):
            raise MemoryError
        return generate(model, rows, settings)

    monkeypatch.setattr(transformers, "_generate_group", generate_if_it_fits)


def test_a_batch_that_there_is_no_memory_for_is_halved(
    settings: Settings, prompts_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, prompts=prompts_file, num_return_sequences=2)
    run(replace(settings, batch_size=3), tmp_path / "small")
    limit_memory(monkeypatch, lambda rows: len(rows) <= 3)
    run(replace(settings, batch_size=8), tmp_path / "halved")
    assert read_texts(tmp_path / "halved") == read_texts(tmp_path / "small")


def test_a_row_that_there_is_no_memory_for_even_alone_costs_itself(
    settings: Settings, prompts_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, prompts=prompts_file, num_return_sequences=2, on_error="skip")
    run(settings, tmp_path / "whole")
    limit_memory(monkeypatch, lambda rows: all(row.prompt.text != PROMPTS[1] for row in rows))
    run(settings, tmp_path / "short")
    error = "cpu: out of memory; lower max_length or max_new_tokens"
    for whole, short in zip(read_rows(tmp_path / "whole"), read_rows(tmp_path / "short"), strict=True):
        expected = (None, error) if whole["prompt"] == PROMPTS[1] else (whole["text"], None)
        assert (short["text"], short["error"]) == expected
        assert (short["id"], short["sequence"]) == (whole["id"], whole["sequence"])
    with pytest.raises(TextgenError, match=r"^2 of 8 rows are wrong, and max_errors is 1$"):
        run(replace(settings, max_errors=1), tmp_path / "refused")
