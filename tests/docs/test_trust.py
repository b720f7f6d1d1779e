"""The page about trust promises nothing without a test that exists, or says that there is none."""

import re

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/trust.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"(tests/[\w/]+\.py)::(\w+)", PAGE)))


def test_every_test_that_it_names_exists() -> None:
    assert len(NAMED) >= 15
    texts = {file: (ROOT / file).read_text("utf-8") for file, _ in NAMED if (ROOT / file).is_file()}
    missing = [
        f"{file}::{test}"
        for file, test in NAMED
        if not re.search(rf"^def {test}\(", texts.get(file, ""), re.MULTILINE)
    ]
    assert missing == []


def test_every_promise_names_a_test_or_says_that_there_is_none() -> None:
    tables = re.findall(r"^\|.*\| test \|\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 40
    last = {row: row.rstrip("| ").rpartition(" | ")[2] for row in rows}
    assert [row for row, cell in last.items() if not re.match(r"`tests/[\w/]+\.py::|not tested$", cell)] == []
