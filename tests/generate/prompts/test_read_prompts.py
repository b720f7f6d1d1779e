"""What counts as a prompt, and what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.errors import PromptError
from job.generate import prompts
from job.generate.prompts import Prompt


def test_one_prompt_is_kept_to_the_character() -> None:
    assert prompts.read_prompts(" two\nlines ") == (Prompt("prompt", " two\nlines "),)


def test_each_line_of_a_text_file_is_a_prompt(tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_bytes("\ufeffone \r\ntwo\u2028still two\x0c\nthree".encode())
    texts = ["one ", "two\u2028still two\x0c", "three"]
    assert prompts.read_prompts("", str(file)) == tuple(
        Prompt(f"p.txt:{line}", text) for line, text in enumerate(texts, 1)
    )


def test_rows_of_jsonl_may_carry_an_id(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(
        '{"prompt": "a\\nb", "id": "first", "note": 1}\n{"prompt": "c", "id": 7}\n{"prompt": "d"}\n'
    )
    assert prompts.read_prompts("", str(file)) == (
        Prompt("first", "a\nb"),
        Prompt("7", "c"),
        Prompt("p.jsonl:3", "d"),
    )


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("b\n")
    (tmp_path / "a.jsonl").write_text('{"prompt": "a"}\n')
    assert [prompt.text for prompt in prompts.read_prompts("", str(tmp_path))] == ["a", "b"]


def test_a_folder_s_other_files_are_named_and_its_hidden_ones_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.txt", "B.JSONL", "c.TXT"):
        (tmp_path / name).write_text('{"prompt": "one"}\n')
    for name in ("._a.txt", ".hidden.jsonl", ".DS_Store"):
        (tmp_path / name).write_bytes(b"\xff")
    for name in ("d.json", "e.csv", "f.jsonl.gz"):
        (tmp_path / name).write_text("")
    (tmp_path / "more").mkdir()
    read = prompts.read_prompts("", str(tmp_path))
    assert [prompt.id for prompt in read] == ["B.JSONL:1", "a.txt:1", "c.TXT:1"]
    assert read[0].text == "one"
    others = "d.json, e.csv, f.jsonl.gz, more"
    assert capsys.readouterr().err == f"{tmp_path}: only .txt and .jsonl files are read, and not {others}\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", b"one\n\ntwo\n", r"p\.txt:2: an empty prompt"),
        ("p.txt", b"one\n \t\n", r"p\.txt:2: an empty prompt"),
        ("p.txt", b"one\nt\xffo\n", r"p\.txt:2: not UTF-8 at byte 1 of the line"),
        ("p.txt", b"", r"p\.txt: no prompts in it"),
        ("p.md", b"one\n", r"p\.md: prompts must be \.txt or \.jsonl files"),
        ("p.jsonl", b'{"prompt": "a"}\n{"prompt": ', r"p\.jsonl:2: not JSON"),
        ("p.jsonl", b"[" * 100_000, r"p\.jsonl:1: not JSON"),
        ("p.jsonl", b'{"promt": "a"}\n', r'p\.jsonl:1: no string "prompt" in this row'),
        ("p.jsonl", b'"a"\n', r'p\.jsonl:1: no string "prompt" in this row'),
        ("p.jsonl", b'{"prompt": 1}\n', r'p\.jsonl:1: no string "prompt" in this row'),
        ("p.jsonl", b'{"prompt": ""}\n', r"p\.jsonl:1: an empty prompt"),
        ("p.jsonl", b'{"prompt": "\\ud800"}\n', r"p\.jsonl:1: half of a surrogate pair"),
        (
            "p.jsonl",
            b'{"prompt": "a", "id": null}\n',
            r"p\.jsonl:1: id must be a string or an integer, not null",
        ),
        (
            "p.jsonl",
            b'{"prompt": "a", "id": 1}\n{"prompt": "b", "id": "1"}',
            r"p\.jsonl:2: duplicate id '1', first in .*:1",
        ),
    ],
)
def test_what_is_no_prompt_is_reported_with_its_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PromptError, match=message):
        prompts.read_prompts("", str(tmp_path / name))


def test_a_path_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="no such file or folder of prompts"):
        prompts.read_prompts("", str(tmp_path / "p.txt"))
    with pytest.raises(PromptError, match="prompts must be"):
        prompts.read_prompts("", str(tmp_path))


@given(st.lists(st.text(st.characters(codec="utf-8")).filter(str.strip), min_size=1))
def test_jsonl_brings_any_text_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    file = tmp_path_factory.mktemp("prompts") / "p.jsonl"
    file.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts), encoding="utf-8")
    assert [prompt.text for prompt in prompts.read_prompts("", str(file))] == texts
