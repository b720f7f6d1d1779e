"""A log's lines are the same however its bytes come, and end with it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job import log_lines
from job.log_lines import Line, read_lines, split_time

TEXTS = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12)
CUTS = st.lists(st.integers(0, 999), max_size=6)


def cut(data: bytes, positions: list[int]) -> list[bytes]:
    edges = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def texts(chunks: list[bytes], *, is_whole: bool = True) -> list[str]:
    return [line.text for line in read_lines(chunks, is_whole=is_whole)]


@given(st.lists(TEXTS), TEXTS, CUTS)
def test_lines_are_whole_wherever_the_bytes_are_cut(lines: list[str], last: str, cuts: list[int]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    assert texts(cut(data, cuts)) == lines
    data += last.encode()
    assert texts(cut(data, cuts)) == lines + ([last] if last else [])
    assert texts(cut(data, cuts), is_whole=False) == lines


def test_only_a_line_feed_ends_a_line() -> None:
    line = "50%\r\v\f\x1c\x85\u2028100%"
    assert texts([f"{line}\r\n\n".encode()]) == [line, ""]


@given(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=9), CUTS)
def test_a_long_line_comes_in_the_same_parts_and_no_character_is_torn(text: str, cuts: list[int]) -> None:
    data = f"{text}\nshort".encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_lines, "LONGEST", 8)
        lines = list(read_lines(cut(data, cuts)))
        assert lines == list(read_lines([data]))
    assert all(len(line.text.encode()) <= 8 for line in lines)
    assert "".join(line.text for line in lines) == f"{text}short"
    assert [line.is_start for line in lines] == [True, *[False] * (len(lines) - 2), True]
    assert lines[-1] == Line("short")


def test_a_time_is_one_that_the_kubelet_writes() -> None:
    assert split_time("2026-11-22T18:00:00.000000001Z  a") == ("2026-11-22T18:00:00.000000001Z", " a")
    assert split_time("2026-11-22T18:00:00+02:00 ") == ("2026-11-22T18:00:00+02:00", "")
    for text in (
        "failed to watch",
        "2026-11-22 18:00:00 a",
        "2026-13-22T18:00:00Z a",
        "2026-02-31Z a",
        "",
        " a",
    ):
        assert split_time(text) == ("", text)
