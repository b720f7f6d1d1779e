"""Rows of files as prompts, and why some are none."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import Table
from pyarrow.parquet import write_table

from job.errors import PromptError
from job.generate.prompts.files import find_files
from job.generate.prompts.prompt import Prompt
from job.generate.prompts.rows import RowFormat, build_prompt, read_rows
from job.generate.prompts.template import Template

USER = {"role": "user", "content": "Hi"}


def read(path: Path, row_format: RowFormat = RowFormat()) -> list[Prompt]:  # noqa: B008
    return list(read_rows(find_files(str(path)), row_format))


def parse(row: dict[str, Any], **row_format: Any) -> Prompt:
    return build_prompt(row, RowFormat(**row_format), "p.jsonl:1", "/p.jsonl:1")


def test_each_line_of_a_text_file_is_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one \ntwo\n")
    first, second = read(tmp_path)
    assert (first.id, first.text, first.row) == ("p.txt:1", "one ", {"prompt": "one "})
    assert (second.id, second.location) == ("p.txt:2", f"{tmp_path}/p.txt:2")


def test_a_row_keeps_its_id_with_its_type_and_all_its_keys(tmp_path: Path) -> None:
    row = {"id": 7, "prompt": "a\nb", "label": 1.0, "tags": ["x", None], "ü": {"n": 10**30}}
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    (prompt,) = read(tmp_path)
    assert (prompt.id, prompt.text, prompt.error) == (7, "a\nb", "")
    assert json.dumps(prompt.row) == json.dumps(row)


def test_messages_are_read_and_parts_of_text_become_lines() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    prompt = parse({"messages": [USER, {"role": "assistant", "content": parts}]})
    assert prompt.messages == [USER, {"role": "assistant", "content": "one\ntwo"}]
    assert prompt.row["messages"][1]["content"] == parts


def test_a_message_that_calls_tools_needs_no_content() -> None:
    call = {"type": "function", "function": {"name": "ask", "arguments": {}}}
    messages = [USER, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "3"}]
    prompt = parse({"messages": messages})
    assert (prompt.messages, prompt.error) == (messages, "")


def test_fields_may_have_other_names() -> None:
    assert parse({"body": "one", "prompt": 3}, prompt_field="body").text == "one"
    assert parse({"talk": [USER]}, messages_field="talk").messages == [USER]


def test_a_field_for_both_holds_a_prompt_or_messages() -> None:
    assert parse({"prompt": [USER]}, messages_field="prompt").messages == [USER]
    assert parse({"prompt": "one"}, messages_field="prompt").text == "one"
    assert parse({"prompt": 1}, messages_field="prompt").error.startswith('no string "prompt"')


def test_a_template_fills_a_prompt_from_fields() -> None:
    template = Template("{{x}} Summarise {m}: {body}")
    prompt = parse({"body": "é", "m": [1, "ü"], "prompt": 3, "messages": 4}, template=template)
    assert prompt.text == '{x} Summarise [1, "ü"]: é'


def test_a_system_message_goes_before_those_of_rows_that_have_none() -> None:
    system = {"role": "system", "content": "Be brief."}
    assert parse({"messages": [USER]}, system="Be brief.").messages == [system, USER]
    own = [{"role": "system", "content": "own"}, USER]
    assert parse({"messages": own}, system="Be brief.").messages == own


def test_a_row_may_have_settings_of_its_own() -> None:
    row = {
        "max_tokens": 3,
        "max_completion_tokens": 3,
        "temperature": 0,
        "top_k": None,
        "n": 2,
        "seed": 7,
        "stop": "[]",
    }
    assert parse({"prompt": "a", **row}).settings == {
        "max_new_tokens": 3,
        "greedy": True,
        "num_return_sequences": 2,
        "seed": 7,
        "stop": ("[]",),
    }
    assert parse(
        {"prompt": "a", "min_tokens": 2, "bad_words": "[x]", "ignore_eos": False, "logprobs": 0}
    ).settings == {"min_new_tokens": 2, "bad_words": ("[x]",), "ignore_eos": False, "logprobs": 0}
    assert parse({"prompt": "a", "logprobs": True, "top_logprobs": 3}).settings == {"logprobs": 3}
    assert parse({"prompt": "a", "logprobs": True}).settings == {"logprobs": 0}
    assert parse({"prompt": "a", "logprobs": False, "top_logprobs": 0}).settings == {"logprobs": -1}
    assert parse({"prompt": "a", "temperature": 1, "top_p": 0.5}).settings == {
        "temperature": 1.0,
        "top_p": 0.5,
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"promt": "a"}, 'no string "prompt" in this row; write {"prompt": "..."}, or set prompt_field'),
        ({"prompt": 1}, 'no string "prompt" in this row; write {"prompt": "..."}, or set prompt_field'),
        ({"prompt": ""}, "an empty prompt; give at least a word"),
        ({"prompt": " \n"}, "an empty prompt; give at least a word"),
        ({"prompt": "a\0b"}, "a NUL character in the prompt; leave it out, or save the file as UTF-8"),
        ({"prompt": "a", "id": None}, "id must be a string or an integer, not null"),
        ({"prompt": "a", "id": True}, "id must be a string or an integer, not true"),
        ({"prompt": "a", "id": ""}, 'id must be a string or an integer, not ""'),
        ({"prompt": "a", "messages": [USER]}, 'both "prompt" and "messages" in this row; leave one out'),
        (
            {"messages": []},
            'messages must be a list of one message or more; write [{"role": "user", "content": "..."}]',
        ),
        (
            {"messages": "Hi"},
            'messages must be a list of one message or more; write [{"role": "user", "content": "..."}]',
        ),
        ({"messages": [1]}, 'messages[0] must be an object; write {"role": "user", "content": "..."}'),
        (
            {"messages": [USER, {"role": "human", "content": "a"}]},
            "messages[1].role must be one of system, developer, user, assistant, tool, not 'human'",
        ),
        ({"messages": [{"role": "user"}]}, "messages[0].content is missing; write a string"),
        (
            {"messages": [{"role": "user", "content": 1}]},
            "messages[0].content must be a string, or a list of text parts",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content has a part of type 'image_url'; only text can be read",
        ),
        (
            {"messages": [{"role": "user", "content": "\0"}]},
            "a NUL character in the prompt; leave it out, or save",
        ),
        ({"prompt": "a", "temperature": -1}, "temperature must be above 0, not -1"),
        ({"prompt": "a", "temperature": "1"}, "temperature must be a number, not '1'"),
        ({"prompt": "a", "top_p": True}, "top_p must be a number, not True"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens must be at least 1, not 0"),
        ({"prompt": "a", "ignore_eos": "yes"}, "ignore_eos must be true or false, not 'yes'"),
        ({"prompt": "a", "ignore_eos": 1}, "ignore_eos must be true or false, not 1"),
        ({"prompt": "a", "bad_words": [""]}, "bad_words must be a list of strings that are not"),
        ({"prompt": "a", "logprobs": 21}, "logprobs must be at most 20, not 21"),
        ({"prompt": "a", "top_logprobs": 2}, 'top_logprobs needs "logprobs": true beside it'),
        ({"prompt": "a", "n": 1.5}, "n: num_return_sequences must be an integer, not 1.5"),
        (
            {"prompt": "a", "max_tokens": 1, "max_new_tokens": 2},
            "max_tokens is 1, and by another name 2; write one of them",
        ),
    ],
)
def test_what_is_no_prompt_says_what_to_write(row: dict[str, Any], message: str) -> None:
    prompt = parse(row)
    assert prompt.error.startswith(message)
    assert (prompt.row, prompt.location) == (row, "/p.jsonl:1")


@pytest.mark.parametrize(
    ("row", "row_format", "message"),
    [
        ({"prompt": "a"}, {"system": "x"}, 'a system message goes before messages; write "messages"'),
        (
            {"boby": "a"},
            {"template": Template("{body}")},
            "no 'body' in this row, which the template needs; did you mean 'boby'?",
        ),
        (
            {"body": None},
            {"template": Template("{body}")},
            "no 'body' in this row, which the template needs; give it a value",
        ),
    ],
)
def test_what_does_not_go_with_an_option_says_so(
    row: dict[str, Any], row_format: dict[str, Any], message: str
) -> None:
    assert parse(row, **row_format).error == message


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("p.txt", b"", "an empty prompt"),
        ("p.txt", b"t\xffo", "not UTF-8 at byte 1 of the line"),
        ("p.txt", "no".encode("utf-16-le"), "a NUL character in the prompt"),
        ("p.jsonl", b'{"prompt": ', "not JSON; write one"),
        ("p.jsonl", b"[" * 100_000, "not JSON; write one"),
        ("p.jsonl", b'{"prompt": "a", "x": NaN}', "not JSON; write one"),
        ("p.jsonl", b'{"prompt": "a", "x": [-1e999]}', "not JSON; write one"),
        ("p.jsonl", b'"a"', 'not a JSON object; write {"prompt": "..."}'),
        ("p.jsonl", b'{"prompt": "\\ud800"}', "half of a surrogate pair in this row"),
        ("p.jsonl", b'{"prompt": "a", "other": ["\\ud800"]}', "half of a surrogate pair in this row"),
    ],
)
def test_a_line_that_can_t_be_read_has_an_error_and_the_next_one_is_read(
    tmp_path: Path, name: str, line: bytes, message: str
) -> None:
    good = b'{"prompt": "a"}\n'
    (tmp_path / name).write_bytes(good + line + b"\n" + good)
    first, second, third = read(tmp_path)
    assert second.error.startswith(message)
    assert (second.id, second.location) == (f"{name}:2", f"{tmp_path / name}:2")
    assert (first.error, third.error, third.id) == ("", "", f"{name}:3")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(str.strip), min_size=1))
def test_jsonl_brings_any_text_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("prompts")
    rows = "".join(json.dumps({"prompt": text}) + "\n" for text in texts)
    (folder / "p.jsonl").write_text(rows, encoding="utf-8")
    assert [(prompt.text, prompt.error) for prompt in read(folder)] == [(text, "") for text in texts]


def test_a_parquet_file_s_rows_come_with_json_s_types(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "prompt": "a", "day": date(2001, 2, 3), "price": Decimal("1.50"), "x": float("nan")},
        {"id": 2, "prompt": "b", "day": None, "price": None, "x": 0.5},
    ]
    write_table(Table.from_pylist(rows), tmp_path / "p.parquet")
    first, second = read(tmp_path)
    assert first.row == {"id": 1, "prompt": "a", "day": "2001-02-03", "price": "1.50", "x": None}
    assert (second.id, second.text, second.location) == (2, "b", f"{tmp_path / 'p.parquet'}:2")


def test_parquet_s_messages_are_messages(tmp_path: Path) -> None:
    table = Table.from_pylist([{"messages": [{**USER, "name": None}]}, {"messages": None}])
    write_table(table, tmp_path / "p.parquet")
    first, second = read(tmp_path)
    assert first.messages == [{**USER, "name": None}]
    assert second.error.startswith('no string "prompt"')


def test_a_parquet_file_that_is_cut_off_or_none_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_table(Table.from_pylist([{"prompt": "a"}]), path)
    for content in (path.read_bytes()[:50], b"", b"no such thing at all"):
        path.write_bytes(content)
        with pytest.raises(PromptError, match=r"p\.parquet: damaged or cut off after row 0: [^\n]+$"):
            read(tmp_path)


def test_bytes_in_a_parquet_file_are_a_row_s_error(tmp_path: Path) -> None:
    table = Table.from_pylist([{"prompt": "a", "image": b"\xff"}])
    write_table(table, tmp_path / "p.parquet")
    assert read(tmp_path)[0].error == "a value of type bytes, which JSON does not have; leave its column out"
