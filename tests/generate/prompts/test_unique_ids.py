"""Duplicate ids are found, also far apart and without memory for all of them."""

import resource
from collections.abc import Iterator

import pytest

from job.errors import TextgenError
from job.generate.prompts import unique_ids
from job.generate.prompts.prompt import Prompt
from job.generate.prompts.unique_ids import UniqueIds


def prompts(*ids: str | int) -> Iterator[Prompt]:
    return (Prompt(id_, location=f"p.jsonl:{number}") for number, id_ in enumerate(ids, 1))


def errors(*ids: str | int) -> list[str]:
    with UniqueIds() as unique:
        return [prompt.error for prompt in unique.check(prompts(*ids))]


def test_the_second_of_two_is_named_with_the_first() -> None:
    assert errors("a", "b", "a", "a") == [
        "",
        "",
        *["duplicate id 'a', first in p.jsonl:1; give it another"] * 2,
    ]


def test_a_number_is_the_same_as_its_digits() -> None:
    assert errors(1, "1", "01") == ["", "duplicate id '1', first in p.jsonl:1; give it another", ""]


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(unique_ids, "_ROWS", rows)
    assert errors("a", "b", "a") == ["", "", "duplicate id 'a', first in p.jsonl:1; give it another"]


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unique_ids, "_CACHE_KIB", 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(TextgenError, match=r"temporary file: .+; set TMPDIR to a folder with room"):
            errors(*map(str, range(10_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_row_that_has_an_error_keeps_it() -> None:
    rows = [Prompt("a", location="1"), Prompt("a", location="2", error="not JSON")]
    with UniqueIds() as unique:
        assert [prompt.error for prompt in unique.check(rows)] == ["", "not JSON"]
