"""The rows as a Parquet file, and as results that OpenAI's own types read."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion
from pyarrow.parquet import read_table

from job.errors import SettingsError, TextgenError
from job.generate import formats, outputs
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_rows

USER = {"role": "user", "content": "Hi"}
ECHO = Settings(engine="echo", max_new_tokens=2, num_return_sequences=1)


def line(custom_id: str, url: str, **body: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "gpt-4o-mini", **body}}


def generate(folder: Path, *rows: Mapping[str, Any], **settings: Any) -> Path:
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(replace(ECHO, prompts=str(folder / "p.jsonl"), **settings), folder / "outputs")
    return folder / "outputs"


def test_a_batch_file_s_results_are_read_by_openai_s_types(tmp_path: Path) -> None:
    rows = [
        line("chat", "/v1/chat/completions", messages=[USER], n=2, max_tokens=3),
        line("text", "/v1/completions", prompt="One two", max_tokens=1),
        line("bad", "/v1/embeddings", input="One"),
        {"messages": [USER], "id": 4},
        {"prompt": "One"},
    ]
    folder = generate(tmp_path, *rows, format="openai", on_error="skip", model="tiny")
    results = [json.loads(each) for each in (folder / formats.OPENAI).read_text().splitlines()]
    assert [result["custom_id"] for result in results] == ["chat", "text", "bad", "4", "p.jsonl:5"]
    chat = ChatCompletion.model_validate(results[0]["response"]["body"], strict=True)
    assert [(choice.index, choice.message.content) for choice in chat.choices] == [
        (0, " user: Hi\nassistant:"),
        (1, " user: Hi\nassistant:"),
    ]
    assert chat.usage is not None
    assert (chat.usage.prompt_tokens, chat.usage.completion_tokens, chat.usage.total_tokens) == (3, 6, 9)
    text = Completion.model_validate(results[1]["response"]["body"], strict=True)
    assert (text.choices[0].text, text.choices[0].finish_reason) == (" One", "length")
    assert results[2]["response"] is None
    assert results[2]["error"]["message"].startswith("url must be /v1/chat/completions")
    assert ChatCompletion.model_validate(results[3]["response"]["body"]).object == "chat.completion"
    assert Completion.model_validate(results[4]["response"]["body"]).object == "text_completion"
    ids = [(result["id"], (result["response"] or {}).get("request_id")) for result in results]
    assert len(set(ids)) == 5


def test_a_duplicate_beside_its_first_row_has_a_line_of_its_own(tmp_path: Path) -> None:
    rows = [
        line("a", "/v1/completions", prompt="One", n=2),
        *[line("a", "/v1/completions", prompt="Two")] * 2,
    ]
    folder = generate(tmp_path, *rows, format="openai", on_error="skip")
    results = [json.loads(result) for result in (folder / formats.OPENAI).read_text().splitlines()]
    assert [(result["custom_id"], result["error"] is None) for result in results] == [
        ("a", True),
        ("a", False),
        ("a", False),
    ]


def test_a_prompt_of_which_one_text_has_an_error_has_that_error(tmp_path: Path) -> None:
    run(replace(ECHO, prompt="One", num_return_sequences=2), tmp_path)
    first, second = read_rows(tmp_path)
    second |= {"text": None, "completion": None, "new_tokens": None, "error": "out of memory"}
    formats.write_format(tmp_path, lambda: iter([first, second]), replace(ECHO, format="openai"), "m")
    result = json.loads((tmp_path / formats.OPENAI).read_text())
    assert (result["response"], result["error"]["message"]) == (None, "out of memory")


def test_fields_of_a_template_may_have_the_names_of_a_batch_line_s(tmp_path: Path) -> None:
    row = {"id": "a", "custom_id": "own", "body": "One"}
    folder = generate(tmp_path, row, template="{body} two", format="openai")
    result = json.loads((folder / formats.OPENAI).read_text())
    assert result["custom_id"] == "a"
    assert Completion.model_validate(result["response"]["body"]).choices[0].text == " One two"


def test_a_run_that_goes_on_gives_the_same_results(tmp_path: Path) -> None:
    folder = generate(tmp_path, {"prompt": "One"}, {"prompt": "Two"}, format="openai")
    whole = (folder / formats.OPENAI).read_bytes()
    rows = folder / outputs.ROWS
    rows.write_bytes(rows.read_bytes().splitlines(keepends=True)[0])
    generate(tmp_path, {"prompt": "One"}, {"prompt": "Two"}, format="openai")
    assert (folder / formats.OPENAI).read_bytes() == whole


@pytest.mark.parametrize("block", [1, 2, 1000])
def test_a_parquet_file_has_the_columns_of_all_rows(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "_PARQUET_ROWS", block)
    rows: list[dict[str, Any]] = [
        {"prompt": "One", "label": 1},
        {"prompt": "Two", "tags": ["x"]},
        {"prompt": " "},
    ]
    folder = generate(tmp_path, *rows, format="parquet", on_error="skip")
    read = read_table(folder / formats.PARQUET).to_pylist()
    assert [(row["prompt"], row["label"], row["tags"], row["text"]) for row in read] == [
        ("One", 1, None, "One One One"),
        ("Two", None, ["x"], "Two Two Two"),
        (" ", None, None, None),
    ]


def test_a_power_cut_leaves_a_whole_parquet_file_or_none(tmp_path: Path, disk_calls: list[str]) -> None:
    path = tmp_path / "outputs.parquet"
    formats.write_format(tmp_path, lambda: iter([{"text": "a"}]), replace(ECHO, format="parquet"), "tiny")
    partial = f"{tmp_path}/.outputs.parquet.partial"
    assert disk_calls == [f"sync {partial} {path.stat().st_size}", f"move to {path}", f"sync {tmp_path}"]


def test_another_format_of_a_complete_run_is_written_without_making_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(tmp_path, {"prompt": "One"})
    monkeypatch.setattr("job.generate.engines.echo.EchoEngine.load", None)
    folder = generate(tmp_path, {"prompt": "One"}, format="parquet")
    assert len(read_table(folder / formats.PARQUET)) == 1


@pytest.mark.parametrize("values", [(1, "a"), (1, 2**64)])
def test_rows_of_no_common_type_are_one_line_and_stay_in_outputs(
    tmp_path: Path, values: tuple[object, object]
) -> None:
    rows = [{"prompt": "One", "x": value} for value in values]
    with pytest.raises(
        TextgenError, match=r"outputs\.parquet: the rows have no common columns: [^\n]+; use out"
    ):
        generate(tmp_path, *rows, format="parquet")
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == {
        outputs.ROWS,
        outputs.TEXTS,
        outputs.RECORD,
    }


def test_without_pyarrow_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"format parquet: pyarrow is not installed; run: .*parquet"):
        generate(tmp_path, {"prompt": "One"}, format="parquet")
    assert not (tmp_path / "outputs").exists()
