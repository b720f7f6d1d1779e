"""YAML as people write it: positions, the traps of YAML 1.1, and what is refused."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo.language import CheckResult, Workflow, check, load
from argo.language.compose import compose
from argo.language.diagnostics import Findings
from argo.language.field import Field
from argo.language.model import Position, Script

_JOB = "jobs:\n  a:\n    uses: script@v1\n    with: {script: echo, image: bash:5}\n"


@pytest.mark.parametrize("key", ["on", "'on'", '"on"', "true", "True", '"true"'])
def test_on_is_read_however_it_is_written(key: str, read_text: Callable[[str], Workflow]) -> None:
    workflow = read_text(f"{key}: {{github: {{branches: {{only: main}}}}}}\n{_JOB}")
    assert workflow.trigger is not None
    assert workflow.trigger.branches == ("main",)


@pytest.mark.parametrize(
    "written",
    [
        "yes",
        "No",
        "off",
        "0.10",
        "0777",
        "0o17",
        "0x1F",
        "1:30",
        "1_000",
        "2024-01-01",
        "1e3",
        ".nan",
        "-.inf",
    ],
)
def test_a_value_without_quotes_stays_as_it_was_written(
    written: str, check_text: Callable[[str], CheckResult]
) -> None:
    result = check_text(f"{_JOB}    env: {{X: {written}}}\n")
    assert result.workflow is not None
    assert result.workflow.jobs["a"].env == {"X": written}
    (diagnostic,) = result.diagnostics
    assert (diagnostic.code, diagnostic.hint) == ("unquoted-value", f'write "{written}"')


@pytest.mark.parametrize("written", ["", "~", "null"])
def test_nothing_in_env_is_the_empty_text(written: str, check_text: Callable[[str], CheckResult]) -> None:
    result = check_text(f"{_JOB}    env: {{X: {written}}}\n")
    assert result.workflow is not None
    assert result.workflow.jobs["a"].env == {"X": ""}
    assert [each.code for each in result.diagnostics] == ["unquoted-value"]


@pytest.mark.parametrize(
    "written", ["'yes'", '"0.10"', "!!str 010", "v1.10", "10GB", "1.2.3", "nulls", "12:ab"]
)
def test_a_text_gets_no_warning(written: str, check_text: Callable[[str], CheckResult]) -> None:
    assert check_text(f"{_JOB}    env: {{X: {written}}}\n").diagnostics == ()


def test_of_a_key_that_stands_twice_the_last_counts(check_text: Callable[[str], CheckResult]) -> None:
    result = check_text(_JOB.replace("script: echo", "script: one, script: two"))
    assert result.workflow is not None
    action = result.workflow.jobs["a"].action
    assert isinstance(action, Script)
    assert action.script == "two"
    assert [(each.code, each.key) for each in result.diagnostics] == [("duplicate-key", "jobs.a.with.script")]


def test_anchors_and_merges_are_written_out(read_text: Callable[[str], Workflow]) -> None:
    text = (
        "jobs:\n  a: &a\n    uses: script@v1\n    env: &e {X: one, Y: two}\n    with: {script: s, image: i}\n"
    )
    workflow = read_text(text + "  b:\n    <<: *a\n    env:\n      X: three\n      <<: [*e]\n")
    assert workflow.jobs["b"].action == workflow.jobs["a"].action
    assert workflow.jobs["b"].env == {"X": "three", "Y": "two"}


def test_positions_count_from_one_and_point_at_keys(read_text: Callable[[str], Workflow]) -> None:
    workflow = read_text(f"# a comment\n\n{_JOB}    outputs:\n      o: {{type: string}}\n")
    assert workflow.jobs["a"].at == Position(4, 3)
    assert workflow.jobs["a"].outputs["o"].at == Position(8, 7)


def test_a_key_without_a_value_is_reported_where_the_key_is(check_text: Callable[[str], CheckResult]) -> None:
    (diagnostic,) = check_text("jobs:\n  a:\n    uses:\n    with: {script: s, image: i}\n").diagnostics
    assert (diagnostic.code, diagnostic.position) == ("wrong-type", Position(3, 5))
    assert diagnostic.message == "must be a string, not null"


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("a: 1\nb:\tc: 2\n", 2, 3, "with spaces, not tabs"),
        ("jobs:\n  a:\n\tb: c\n", 3, 1, "with spaces, not tabs"),
        ("a: 1\nb: x\0y\n", 2, 5, "NUL is not allowed in YAML; remove it, or save the file as UTF-8"),
        ("a: 1\nb: \x1b[2J\n", 2, 4, 'in double quotes as "\\u001b"'),
        ("a: b: c\n", 1, 5, "quote a string that contains ': '"),
        ("a: @b\n", 1, 4, "quote a string that starts with '%'"),
        ("a: 1\n---\nb: 2\n", 2, 1, "one workflow a file"),
        ("a: *b\n", 1, 4, "'*b' has no anchor before it"),
        ("a: !python/object b\n", 1, 4, "unknown tag '!python/object'"),
        ("? [a]\n: b\n", 1, 3, "can't be a key"),
        ("a: {{b}}\n", 1, 5, "can't be a key"),
        ('a: "\\UFFFFFFFF"\n', 1, 1, "not valid YAML"),
        ('a: "\\ud800"\n', 1, 4, "half a character"),
        ("a: 'b\nc: d\ne: f\n", 1, 4, "this quote is not closed"),
        ('a: "b\nc: "d"\ne: f\n', 1, 4, "this quote is not closed; the next one is on line 2"),
        ("a: 'b\nc: |\n  echo 'hi'\n", 1, 4, "this quote is not closed; the next one is on line 3"),
        ("a: {b: 'c}\nd: 'e'\n", 1, 8, "this quote is not closed; the next one is on line 2"),
        ("a: 'it's'\n", 1, 8, "write '' for a ' within quotes"),
        ('a: "say "b""\n', 1, 10, 'write \\" for a " within quotes'),
        ("jobs:\n\u00a0 a: b\n", 2, 1, "a no-break space (U+00A0) stands before this key; YAML indents with"),
        ("a:\n  b: c\n\u3000 d: e\n", 3, 1, "an ideographic space (U+3000) stands before this key"),
        ("a:\n  - \u200bb: c\n", 2, 5, "a zero width space (U+200B) stands before this key"),
        ("a:\n  'b':\u00a0c\n", 2, 6, "line 2 has a no-break space (U+00A0): write an ordinary one"),
        ("jobs:\n  a: |\n    text\n# comment\n    more\n", 5, 5, "indent it like the block"),
    ],
)
def test_broken_yaml_is_one_located_error(
    text: str, line: int, column: int, says: str, check_text: Callable[[str], CheckResult]
) -> None:
    result = check_text(text)
    (error,) = result.diagnostics
    assert error.code == "yaml-syntax"
    assert says in str(error)
    assert error.position == Position(line, column)


def test_bytes_that_are_not_utf_8_are_located(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_bytes("jobs:\n  é: ".encode() + b"\xff\n")
    (error,) = check(path).diagnostics
    assert (error.code, error.position) == ("unreadable-file", Position(2, 6))


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + _JOB.replace("\n", "\r\n").encode())
    workflow = load(path)
    assert workflow.text.startswith("jobs:\r\n")
    assert workflow.jobs["a"].at == Position(2, 3)


def test_a_file_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(_JOB.encode())))
    assert list(load(Path("-")).jobs) == ["a"]


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    assert [each.code for each in check(tmp_path).diagnostics] == ["unreadable-file"]


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(_TEXTS)
def test_every_text_arrives_as_it_was_written(text: str) -> None:
    findings = Findings(Path("flow.yaml"))
    node = compose(f"[{json.dumps(text)}]", findings)
    assert node is not None
    (item,) = Field(node, "", Position(1, 1), findings).items()
    assert item.string() == (None if "\0" in text else text)
