"""docs/lint.md lists every code, and each of its examples gives just that code."""

import re
from pathlib import Path

import pytest

from argo.compile.lint import lint
from argo.language import CODES, Severity, check

_PAGE = Path(__file__).parents[2] / "docs" / "lint.md"
_SECTIONS = dict(
    re.findall(r"^### (\S+)\n(.*?)(?=^### |\Z)", _PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
)


def test_the_page_lists_the_codes_in_the_tables_order() -> None:
    assert list(_SECTIONS) == list(CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_page_says_what_the_table_says(code: str) -> None:
    severity, line = CODES[code]
    assert f"{severity.capitalize()}. {line}" in _SECTIONS[code]


@pytest.mark.parametrize("code", [code for code in CODES if code != "unreadable-file"])
def test_an_example_gives_its_code_and_no_other(code: str, tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", _SECTIONS[code], re.DOTALL)
    assert example is not None
    file = tmp_path / "flow.yaml"
    file.write_text(example[1], "utf-8")
    assert [each.code for each in lint(file)] == [code]
    assert (check(file).workflow is None) is (CODES[code][0] is Severity.ERROR)


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    assert [each.code for each in check(tmp_path / "no-such-file.yaml").diagnostics] == ["unreadable-file"]
