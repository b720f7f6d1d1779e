"""Each text that ends by itself keeps to its structure, on every engine that draws with masks."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from job.errors import PromptError, SettingsError, TextgenError
from job.generate.engines.openvino.dtypes import BFLOAT16, FLOAT32, list_dtypes
from job.generate.outputs import read_record
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_rows

pytestmark = pytest.mark.model


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Address(Strict):
    street: Annotated[str, Field(max_length=12)]
    postcode: Annotated[str, Field(pattern="^[0-9]{5}$")] | None


class Person(Strict):
    name: Annotated[str, Field(min_length=1, max_length=12)]
    age: Annotated[int, Field(ge=0, le=150)]
    is_reader: bool
    moods: Annotated[list[Literal["calm", "glad"]], Field(min_length=1, max_length=2)]
    addresses: Annotated[list[Address], Field(max_length=2)]


NOWHERE = "no token of the model goes on with a text of this structure; try another one"
PERSON = json.dumps(Person.model_json_schema())


def generate(folder: Path, model: Path | str, engine: str, **changed: Any) -> list[dict[str, Any]]:
    values = {"max_new_tokens": 100, "temperature": 1.5, "num_return_sequences": 20} | changed
    run(Settings(model=str(model), engine=engine, device="cpu", **values), folder)
    return read_rows(folder)


class Mood(Strict):
    name: Literal["calm", "glad"]
    strength: Annotated[int, Field(ge=0, le=10)] | None


class Day(Strict):
    mood: Mood


def test_of_200_texts_at_a_high_temperature_each_that_ends_keeps_to_the_schema(tmp_path: Path) -> None:
    """It takes seconds, for real tokens: 49,152 of them."""
    rows = generate(
        tmp_path,
        "smollm2-135m",
        "openvino",
        json_schema=json.dumps(Day.model_json_schema()),
        num_return_sequences=200,
        max_new_tokens=40,
        dtype=BFLOAT16 if BFLOAT16 in list_dtypes() else FLOAT32,
    )
    ended = [row["completion"] for row in rows if row["finish_reason"] == "stop"]
    assert len(ended) > 100
    for text in ended:
        Day.model_validate_json(text)


@pytest.mark.parametrize("engine", ["openvino", "transformers"])
@pytest.mark.parametrize(
    "changed",
    [
        {"json_schema": PERSON, "max_new_tokens": 110},
        {"json_schema": PERSON, "greedy": True, "num_return_sequences": 1},
        {"regex": r"(ab|é)+[0-9]{2,3}"},
        {"regex": r"[a-c]{1,9}x?", "repetition_penalty": 1.3, "top_k": 0},
        {"choices": ("yes", "yes, but", "no", "é\n\"'")},
    ],
    ids=["schema", "greedy", "regex", "penalty", "choices"],
)
def test_a_text_keeps_to_its_structure(
    llama: Path, tmp_path: Path, engine: str, changed: dict[str, Any]
) -> None:
    rows = generate(tmp_path, llama, engine, **changed)
    ended = [row["completion"] for row in rows if row["finish_reason"] == "stop"]
    assert ended or changed.get("greedy")
    for text in ended:
        if "json_schema" in changed:
            Person.model_validate_json(text)
        elif "regex" in changed:
            assert re.fullmatch(changed["regex"], text)
        else:
            assert text in changed["choices"]
    assert len(set(ended)) > 1 or changed.get("greedy")


@pytest.mark.parametrize("engine", ["openvino", "transformers"])
def test_a_text_with_a_structure_changes_no_other_and_is_its_own(
    llama: Path, tmp_path: Path, engine: str
) -> None:
    plain: list[Mapping[str, Any]] = [{"prompt": f"The dog {number}"} for number in range(4)]
    formats: list[dict[str, Any]] = [
        {"response_format": {"type": "json_schema", "json_schema": {"schema": json.loads(PERSON)}}},
        {"structured_outputs": {"regex": "[a-e]{3,30}"}},
        {"structured_outputs": {"choice": ["yes", "no"]}},
        {"response_format": {"type": "text"}},
    ]
    mixed = [{**row, **form} for row, form in zip(plain, formats, strict=True)]
    made = {}
    for name, rows in (("plain", plain), ("mixed", [*plain, *mixed])):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        made[name] = generate(tmp_path / name, llama, engine, prompts=str(file), num_return_sequences=2)
    texts = [row["text"] for row in made["mixed"]]
    assert texts[:8] == [row["text"] for row in made["plain"]]
    assert texts[14:] == texts[6:8]
    alone = tmp_path / "alone.jsonl"
    alone.write_text("".join(json.dumps(row) + "\n" for row in reversed(mixed)))
    again = generate(
        tmp_path / "alone", llama, engine, prompts=str(alone), num_return_sequences=2, batch_size=3
    )
    assert {row["text"] for row in again} == {*texts[8:]}


def test_a_text_that_the_limit_cuts_says_so(llama: Path, tmp_path: Path) -> None:
    rows = generate(tmp_path, llama, "openvino", json_schema=PERSON, max_new_tokens=10)
    assert {row["finish_reason"] for row in rows} == {"length"}


def test_a_resumed_run_is_the_same_to_the_byte(llama: Path, tmp_path: Path) -> None:
    rows = generate(tmp_path, llama, "transformers", regex="[a-e]{3,30}", batch_size=3)
    file = tmp_path / "outputs.jsonl"
    whole = file.read_bytes()
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:7]))
    assert generate(tmp_path, llama, "transformers", regex="[a-e]{3,30}", batch_size=3) == rows
    assert "llguidance" in read_record(tmp_path)["run"]["versions"]
    assert file.read_bytes() == whole


@pytest.mark.parametrize("engine", ["openvino", "transformers"])
def test_a_structure_that_leads_nowhere_costs_its_row_alone(
    llama: Path, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job.generate.matcher.fill_next_token_bitmask", lambda _, bits: bits.fill(0))
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "One"}\n{"prompt": "Two", "structured_outputs": {"regex": "a"}}\n')
    options = {"prompts": str(file), "num_return_sequences": 1}
    good, bad = generate(tmp_path / "skip", llama, engine, on_error="skip", **options)
    assert (good["error"], good["new_tokens"] > 1) == (None, True)
    assert (bad["text"], bad["error"]) == (None, NOWHERE)
    with pytest.raises(TextgenError, match=rf"p\.jsonl:2: {NOWHERE}"):
        generate(tmp_path / "fail", llama, engine, **options)


def test_an_engine_that_has_none_says_so(tmp_path: Path) -> None:
    message = "the echo engine has none; set engine to openvino or transformers$"
    with pytest.raises(SettingsError, match=f"^regex: {message}"):
        generate(tmp_path / "outputs", "", "echo", regex="a")
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "One", "structured_outputs": {"choice": ["a"]}}\n')
    with pytest.raises(PromptError, match=rf"p\.jsonl:1: choices: {message}"):
        generate(tmp_path / "outputs", "", "echo", prompts=str(file))
    assert not (tmp_path / "outputs").exists()


def test_a_row_whose_structure_does_not_go_with_the_run_s_settings_says_so(
    llama: Path, tmp_path: Path
) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "One", "response_format": {"type": "json_object"}}\n')
    with pytest.raises(PromptError, match=r"json_schema and stop can't be used together; leave one out$"):
        generate(tmp_path / "outputs", llama, "openvino", prompts=str(file), stop=("a",))
