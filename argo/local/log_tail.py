"""The log of a job of this machine, as it grows."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from job.log_lines import LineReader

_CHUNK = 1 << 16  # bytes


class LogTail:
    """Reads the log of a job, whose run is in the folder `run`; a file that may not be there yet."""

    def __init__(self, run: Path, job: str) -> None:
        self._path = run / "jobs" / job / "log"
        self._position = 0
        self._lines = LineReader()

    def read_lines(self, *, is_end: bool) -> Iterator[str]:
        """The lines that were not read yet; at the end also one that nothing ends."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._position)
            while chunk := file.read(_CHUNK):
                self._position += len(chunk)
                yield from (line.text for line in self._lines.feed(chunk))
        if is_end:
            yield from (line.text for line in self._lines.end())
