"""Rows through a whole run: what comes back with them, and what a bad one costs. Echo needs no model."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.errors import InputError, ModelError, PromptError, SettingsError, TextgenError
from job.generate import outputs
from job.generate.engines.echo import Words
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_rows

USER = {"role": "user", "content": "Hi"}
ECHO = Settings(engine="echo", max_new_tokens=2, num_return_sequences=1)


def write(folder: Path, *rows: Mapping[str, Any] | str) -> str:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / "p.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return str(folder / "p.jsonl")


def generate(tmp_path: Path, *rows: Mapping[str, Any] | str, **settings: Any) -> list[dict[str, Any]]:
    run(replace(ECHO, prompts=write(tmp_path, *rows), **settings), tmp_path / "outputs")
    return read_rows(tmp_path / "outputs")


def read_counts(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "outputs" / outputs.RECORD).read_text())["counts"]


def test_a_row_comes_back_with_all_its_keys_beside_ours(tmp_path: Path) -> None:
    row = {"prompt": "one two three", "id": 7, "label": 1.0, "tags": ["x", None]}
    (output,) = generate(tmp_path, row)
    assert list(output.items()) == [
        ("id", 7),
        ("prompt", "one two three"),
        ("label", 1.0),
        ("tags", ["x", None]),
        ("sequence", 1),
        ("text", "one two three one two"),
        ("completion", " one two"),
        ("prompt_tokens", 3),
        ("new_tokens", 2),
        ("finish_reason", "length"),
        ("error", None),
    ]
    assert type(output["label"]) is float


def test_the_text_of_messages_is_the_answer(tmp_path: Path) -> None:
    (output,) = generate(tmp_path, {"messages": [USER]}, system="Be brief.")
    assert (output["messages"], output["text"], output["completion"]) == (
        [USER],
        " system: Be",
        " system: Be",
    )
    assert output["prompt_tokens"] == 6  # system: Be brief. user: Hi assistant:


def test_a_prompt_s_field_may_be_called_text(tmp_path: Path) -> None:
    (output,) = generate(tmp_path, {"text": "one"}, prompt_field="text")
    assert output["text"] == "one one one"


def test_a_row_without_a_prompt_is_told_before_its_other_keys(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r'no string "prompt" in this row; .*, or set prompt_field$'):
        generate(tmp_path, {"text": "one"})


@pytest.mark.parametrize("name", ["text", "completion", "sequence", "error"])
def test_a_key_with_one_of_our_names_is_refused_and_goes_with_a_prefix(tmp_path: Path, name: str) -> None:
    row = {"prompt": "one", "id": "a", name: "own"}
    with pytest.raises(PromptError, match=rf"p\.jsonl:1: the row has a key '{name}', .*; give --prefix gen_"):
        generate(tmp_path, row, on_error="skip")
    assert not (tmp_path / "outputs").exists()
    (output,) = generate(tmp_path, row, prefix="gen_")
    assert output == {
        "gen_id": "a",
        **row,
        "gen_sequence": 1,
        "gen_text": "one one one",
        "gen_completion": " one one",
        "gen_prompt_tokens": 1,
        "gen_new_tokens": 2,
        "gen_finish_reason": "length",
        "gen_error": None,
    }
    assert "one one one" in (tmp_path / "outputs" / outputs.TEXTS).read_text()
    run(replace(ECHO, prompts=str(tmp_path / "p.jsonl"), prefix="gen_"), tmp_path / "outputs")


def test_a_row_s_own_settings_win(tmp_path: Path) -> None:
    rows = generate(tmp_path, {"prompt": "a", "n": 2, "max_tokens": 1}, {"prompt": "b"})
    assert [(row["sequence"], row["new_tokens"]) for row in rows] == [(1, 1), (2, 1), (1, 2)]
    texts = (tmp_path / "outputs" / outputs.TEXTS).read_text()
    assert [line for line in texts.splitlines() if line.startswith("Output")] == [
        "Output 1 of 2",
        "Output 2 of 2",
        "Output 1 of 1",
    ]


def test_an_openai_line_comes_back_with_its_custom_id(tmp_path: Path) -> None:
    body = {"model": "gpt-4o-mini", "messages": [USER], "max_tokens": 1}
    line = {"custom_id": "r-1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (output,) = generate(tmp_path, line)
    assert output["id"] == "r-1"
    assert output["body"] == body
    assert output["text"] == " user:"


GOOD, BAD = {"prompt": "one"}, {"prompt": ""}


def test_one_bad_row_ends_a_run_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"p\.jsonl:2: an empty prompt; give at least a word$"):
        generate(tmp_path, GOOD, BAD, GOOD)
    assert not (tmp_path / "outputs").exists()


def test_of_many_bad_rows_the_first_ten_are_named_and_all_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PromptError, match=r"^12 of 13 rows are wrong; correct them, or give --on-error skip"):
        generate(tmp_path, GOOD, *[BAD] * 12)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0].rpartition(":")[2] for line in lines] == list(map(str, range(2, 12)))


def test_names_of_files_and_fields_do_not_control_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    title = "\x1b]0;title\x07"
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / f"{title}.csv").touch()
    prompts = write(folder, *[{title: "a"}] * 2)
    (folder / title).mkdir()
    Path(prompts).rename(folder / f"{title}.jsonl")
    with pytest.raises(PromptError, match=r"^2 of 2 rows are wrong"):
        run(replace(ECHO, prompts=str(folder), template="{body}"), tmp_path / "outputs")
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 3
    assert message.count("�]0;title�") == 6
    assert message.replace("\n", "").isprintable()


def test_a_row_that_is_skipped_costs_itself_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = {"prompt": "a b c d", "id": "long", "max_tokens": None}
    bad: list[Any] = [
        {**BAD, "id": "empty"},
        "{",
        {"prompt": "b", "id": "good"},
        {"prompt": "c", "id": "good"},
    ]
    rows = generate(
        tmp_path,
        GOOD,
        *bad,
        long,
        GOOD,
        on_error="skip",
        max_new_tokens=0,
        max_length=4,
        num_return_sequences=2,
    )
    assert [(row["id"], row["sequence"], row["error"], row["text"]) for row in rows] == [
        ("p.jsonl:1", 1, None, "one one one one"),
        ("p.jsonl:1", 2, None, "one one one one"),
        ("empty", 1, "an empty prompt; give at least a word", None),
        ("p.jsonl:3", 1, 'not JSON; write one {"prompt": "..."} on each line', None),
        ("good", 1, None, "b b b b"),
        ("good", 2, None, "b b b b"),
        ("good", 1, f"duplicate id 'good', first in {tmp_path}/p.jsonl:4; give it another", None),
        (
            "long",
            1,
            "max_length (4) must be above the prompt's 4 tokens; raise it, or give max_new_tokens instead",
            None,
        ),
        ("p.jsonl:7", 1, None, "one one one one"),
        ("p.jsonl:7", 2, None, "one one one one"),
    ]
    assert rows[2]["prompt"] == ""
    assert read_counts(tmp_path) == {
        "texts": 6,
        "errors": 4,
        "finish_reasons": {"length": 6},
        "prompt_tokens": 6,
        "new_tokens": 18,
    }
    folder = tmp_path / "outputs"
    told = f"6 texts in {folder}/outputs.txt, and 4 rows with an error in {folder}/outputs.jsonl\n"
    assert capsys.readouterr().err.endswith(told)
    assert (tmp_path / "outputs" / outputs.TEXTS).read_text().count("---\nOutput") == 6


def test_a_run_with_more_bad_rows_than_there_may_be_fails(tmp_path: Path) -> None:
    generate(tmp_path, GOOD, BAD, BAD, on_error="skip", max_errors=2)
    with pytest.raises(TextgenError, match=r"^2 of 3 rows are wrong, and max_errors is 1$") as failed:
        generate(tmp_path, GOOD, BAD, BAD, on_error="skip", max_errors=1)
    assert failed.value.exit_status == 1


@pytest.mark.parametrize(
    ("too_long", "expected"), [("skip", ["d d d", None]), ("truncate-left", ["d d d", "a b c d c d"])]
)
def test_a_prompt_that_is_too_long_can_be_skipped_or_cut(
    tmp_path: Path, too_long: str, expected: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job.generate.engines.echo.EchoEngine.context_length", 4)
    rows = generate(tmp_path, {"prompt": "d"}, {"prompt": "a b c d"}, too_long=too_long)
    assert [row["text"] for row in rows] == expected
    assert [row["prompt_tokens"] for row in rows] == ([1, 2] if expected[1] else [1, None])


def test_a_prompt_that_is_too_long_ends_the_run_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job.generate.engines.echo.EchoEngine.context_length", 4)
    message = r"the prompt's 3 tokens and max_new_tokens \(2\) are more than the context of echo \(4 tokens\)"
    with pytest.raises(PromptError, match=message):
        generate(tmp_path, {"prompt": "a b c"})


def test_a_model_without_a_chat_template_takes_no_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Words, "chat_template", None)
    rows = ({"messages": [USER]}, GOOD, {"messages": [USER]})
    with pytest.raises(
        ModelError, match=r"^model 'echo': it has no chat template, so it takes no messages; "
    ):
        generate(tmp_path, *rows)
    (first, second, _) = generate(tmp_path, *rows, on_error="skip")
    assert first["error"].startswith("echo has no chat template")
    assert second["text"] == "one one one"


def test_a_run_that_goes_on_another_day_keeps_its_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Words, "chat_template", "{{ strftime_now('%Y-%m-%d') }}")
    (before,) = generate(tmp_path, {"messages": [USER]})
    record = tmp_path / "outputs" / outputs.RECORD
    changed = json.loads(record.read_text())
    changed["run"]["present"], changed["state"] = "2001-02-03T04:05:06", "stopped"
    record.write_text(json.dumps(changed))
    (tmp_path / "outputs" / outputs.ROWS).write_text("")
    (after,) = generate(tmp_path, {"messages": [USER]})
    assert before["text"] != after["text"] == " 2001-02-03 2001-02-03"


def pipe(rows: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "job",
        "generate",
        "--engine",
        "echo",
        "--prompts",
        "-",
        "--output",
        str(folder),
    ]
    return subprocess.run(
        [*command, "--num-return-sequences", "1", *arguments],
        input=rows,
        capture_output=True,
        text=True,
        check=False,
    )


def test_standard_input_is_kept_so_that_the_run_goes_on_without_it(tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    done = pipe('{"prompt": "one"}\n{"prompt": "two"}\n', folder)
    assert done.returncode == 0, done.stderr
    whole = (folder / outputs.ROWS).read_bytes()
    assert [row["id"] for row in read_rows(folder)] == ["stdin.jsonl:1", "stdin.jsonl:2"]
    (folder / outputs.ROWS).write_bytes(whole.splitlines(keepends=True)[0])
    assert pipe("", folder).returncode == 0
    assert (folder / outputs.ROWS).read_bytes() == whole
    assert {path.name for path in folder.iterdir()} == {
        "stdin.jsonl",
        outputs.ROWS,
        outputs.TEXTS,
        outputs.RECORD,
    }


def test_what_another_run_differs_in_is_quoted_and_short(tmp_path: Path) -> None:
    generate(tmp_path, {"messages": [USER]})
    with pytest.raises(InputError, match=r"another run \(seed 42, not 43; system '', not 'xx+…'\); use"):
        generate(tmp_path, {"messages": [USER]}, seed=43, system="x" * 100)


def test_other_standard_input_is_another_run_s(tmp_path: Path) -> None:
    assert pipe("one\n", tmp_path).returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = pipe("two\n", tmp_path)
    assert (done.returncode, "holds the texts of another run (other prompts)" in done.stderr) == (2, True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert pipe('{"prompt": "two"}', tmp_path, "--overwrite").returncode == 0
    assert not (tmp_path / "stdin.txt").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "standard input is empty; pipe rows into the command, or give it their file"),
        ('{"prompt": "a"}\n{"pro', "standard input:2: not JSON; write one"),
        ("one\n\n", "standard input:2: an empty prompt"),
    ],
)
def test_standard_input_that_has_no_rows_or_ends_early_leaves_nothing(
    tmp_path: Path, rows: str, message: str
) -> None:
    done = pipe(rows, tmp_path / "outputs")
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "outputs").exists()


@pytest.mark.model
@pytest.mark.parametrize("kept", [0, 1, 3, 4, 7, 9])
def test_bad_rows_between_batches_change_nothing_in_a_run_that_goes_on(
    settings: Settings, tmp_path: Path, kept: int
) -> None:
    rows = [BAD if number % 3 == 1 else {"prompt": f"The {number}"} for number in range(13)]
    settings = replace(
        settings, prompts=write(tmp_path, *rows), num_return_sequences=1, on_error="skip", batch_size=3
    )
    run(settings, tmp_path / "outputs")
    file = tmp_path / "outputs" / outputs.ROWS
    whole = file.read_bytes()
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:kept]))
    run(settings, tmp_path / "outputs")
    assert file.read_bytes() == whole


@pytest.mark.model
@pytest.mark.parametrize("engine", ["transformers", "openvino"])
def test_a_row_with_settings_of_its_own_is_what_a_run_with_them_makes(
    settings: Settings, llama: Path, tmp_path: Path, engine: str
) -> None:
    own: list[dict[str, Any]] = [
        {},
        {"temperature": 0},
        {"temperature": 0.7, "top_k": 5, "seed": 3},
        {"top_p": 0.5},
        {"frequency_penalty": 1.5, "presence_penalty": -0.5, "min_p": 0.05, "repetition_penalty": 1.2},
        {"top_k": 200},
        {"seed": 9, "max_new_tokens": 7},
        {"ignore_eos": True, "min_new_tokens": 3},
        {"bad_words": ["e", "th", "o"], "min_new_tokens": 12},
        {"bad_words": ["e", "th", "o"], "repetition_penalty": 1.2, "top_k": 0},
        {"logprobs": 2},
    ]
    settings = replace(
        settings, model=str(llama), engine=engine, num_return_sequences=2, max_new_tokens=12, batch_size=16
    )
    rows = [{"prompt": f"The dog {number}", **values} for number, values in enumerate(own)]
    run(replace(settings, prompts=write(tmp_path, *rows)), tmp_path / "together")
    together = [row["text"] for row in read_rows(tmp_path / "together")]
    alone: list[str] = []
    for row in rows:
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in row.items()
            if name != "prompt"
        }
        values = {"greedy": True} if values.get("temperature") == 0 else values
        folder = tmp_path / f"{len(alone)}"
        run(replace(settings, prompt=row["prompt"], **values), folder)
        alone += [each["text"] for each in read_rows(folder)]
    assert together == alone


def test_prompts_are_looked_at_before_a_model_is_looked_for(tmp_path: Path) -> None:
    settings = Settings(prompts=write(tmp_path, BAD), model="./nothing")
    with pytest.raises(PromptError, match="an empty prompt"):
        run(settings, tmp_path / "outputs")


def test_a_template_that_is_none_is_told_first(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="template: it has no field"):
        generate(tmp_path, GOOD, template="nothing")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("name", "settings"),
    [("template", replace(ECHO, template="Say {prompt}")), ("system", replace(ECHO, system="Be brief."))],
)
def test_a_setting_for_rows_is_refused_without_rows(tmp_path: Path, name: str, settings: Settings) -> None:
    with pytest.raises(SettingsError, match=f"{name}: only rows of prompts take it; .* or give prompts"):
        run(settings, tmp_path / "outputs")
    assert not (tmp_path / "outputs").exists()


def test_another_template_is_another_run(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a {prompt}")
    generate(tmp_path, GOOD, template=f"@{tmp_path}/t.txt")
    (tmp_path / "t.txt").write_text("b {prompt}")
    with pytest.raises(InputError, match="other prompts"):
        generate(tmp_path, GOOD, template=f"@{tmp_path}/t.txt")


def test_many_rows_take_no_memory(tmp_path: Path) -> None:
    """Ten times the rows take no more than a few MiB more."""
    peaks = []
    for count in (1_000, 10_000):
        rows = "".join(f'{{"prompt": "Tell me about {number}"}}\n' for number in range(count))
        script = (
            "import re, sys; from job.__main__ import main\n"
            "try: main(sys.argv[1:])\n"
            # ru_maxrss would be this process' if that is larger
            "finally: print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
        )
        (tmp_path / "p.jsonl").write_text(rows)
        arguments = [
            "generate",
            "--engine=echo",
            "--prompts",
            str(tmp_path / "p.jsonl"),
            "--max-new-tokens=4",
        ]
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments, "--output", str(tmp_path / str(count))],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "TEXTGEN_NUM_RETURN_SEQUENCES": "1"},
        )
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 8 * 1024, peaks  # KiB
