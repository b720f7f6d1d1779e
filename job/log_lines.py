"""The lines of a log that comes in pieces, each perhaps with its time before it, as the kubelet gives it."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

LONGEST = 1 << 20  # bytes; a longer line comes in parts

_TIME = re.compile(r"\d{4}-(?:0\d|1[0-2])-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-][0-2]\d:[0-5]\d)")


class Line(NamedTuple):
    """A line without its end, or a part of a long one, of which only the first `is_start`."""

    text: str
    is_start: bool = True


class LineReader:
    """Cuts bytes into lines; a long line always into the same parts, however the bytes come."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_start = True

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that are whole with this chunk."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            if self._is_start and not self._rest and len(end) <= LONGEST:  # nearly always
                yield Line(end.decode("utf-8", "replace").rstrip("\r"))
                continue
            yield from self._add(end)
            yield self._take(len(self._rest), is_end=True)
        yield from self._add(rest)

    def end(self) -> Iterator[Line]:
        """The last line, if nothing ends it."""
        if self._rest:
            yield self._take(len(self._rest), is_end=True)

    def _add(self, piece: bytes) -> Iterator[Line]:
        self._rest += piece
        while len(self._rest) > LONGEST:
            size = LONGEST
            while size > LONGEST - 4 and self._rest[size] & 0xC0 == 0x80:  # in the middle of a character
                size -= 1
            yield self._take(size, is_end=False)

    def _take(self, size: int, *, is_end: bool) -> Line:
        text = self._rest[:size].decode("utf-8", "replace")
        line = Line(text.rstrip("\r") if is_end else text, self._is_start)
        del self._rest[:size]
        self._is_start = is_end
        return line


def read_lines(chunks: Iterable[bytes], *, is_whole: bool = True) -> Iterator[Line]:
    """The lines of a log; if it is not whole yet, without a last line that nothing ends."""
    reader = LineReader()
    for chunk in chunks:
        yield from reader.feed(chunk)
    if is_whole:
        yield from reader.end()


def split_time(text: str) -> tuple[str, str]:
    """The time before a line, and the line; an empty time if there is none."""
    time, _, rest = text.partition(" ")
    return (time, rest) if _TIME.fullmatch(time) else ("", text)
