"""Prompts filled in from a row's fields."""

from pathlib import Path

import pytest

from job.errors import SettingsError
from job.generate.prompts.template import Template, load_template


def test_a_template_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("Q: {q}\nA:\n")
    assert load_template(f"@{tmp_path}/t.txt").fill({"q": "x{y}"}) == "Q: x{y}\nA:"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no field", "template: it has no field; write 'Summarise: {body}'"),
        ("{", "template: .*; write {{ and }} for braces in the text"),
        ("a } b {c}", "template: .*; write {{ and }} for braces in the text"),
        ("{}", "in braces stands a field's name and nothing else: '{}'"),
        ("{a!r}", "in braces stands a field's name"),
        ("{a:>10}", "in braces stands a field's name"),
        ("@/nowhere/t", "template: /nowhere/t: can't be read: No such file or directory"),
    ],
)
def test_what_is_no_template_is_one_line(source: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_template(source)


def test_a_field_s_name_is_all_that_is_between_the_braces() -> None:
    assert (
        Template("{a.b} {c d} {__class__[0]}").fill({"a.b": 1, "c d": True, "__class__[0]": "x"})
        == "1 true x"
    )


def test_a_template_file_that_is_not_utf_8_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"t\.txt: not UTF-8 at byte 0"):
        load_template(f"@{tmp_path}/t.txt")
