"""Bytes of a process become lines, however they are cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from argo.local.process import LineSplitter


def lines(chunks: list[bytes]) -> list[str]:
    written: list[str] = []
    cutter = LineSplitter(written.append)
    for chunk in chunks:
        cutter.feed(chunk)
    cutter.end()
    return written


def cut(data: bytes, positions: list[int]) -> list[bytes]:
    edges = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"))), st.lists(st.integers(0, 999))
)
def test_lines_are_the_same_wherever_the_bytes_are_cut(texts: list[str], positions: list[int]) -> None:
    data = "".join(f"{text}\n" for text in texts).encode()
    assert lines(cut(data, positions)) == texts


@given(st.binary(), st.lists(st.integers(0, 999)))
def test_any_bytes_give_lines_without_line_ends(data: bytes, positions: list[int]) -> None:
    assert not any("\n" in line or "\r" in line for line in lines(cut(data, positions)))


def test_a_progress_bar_is_a_line_now_and_then() -> None:
    bar = b"".join(b"%d%%\r" % part for part in range(100))
    assert lines([b"start\r\n", bar, b"100%\r\ndone"]) == ["start", "100%", "done"]
