"""The output folder of a run: outputs.jsonl row by row, outputs.txt and run.json whole.

Rows are written in their order. One that ends before an earlier one is put aside, into
outputs.early.jsonl, until that one is there. A killed run leaves whole rows, and at most one torn last
line in each file, which the next run cuts off.
"""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby, islice, takewhile
from pathlib import Path
from typing import Any, Self

from job.errors import InputError, TextgenError
from job.files import locked, write_atomically
from job.generate.formats import NAMES as FORMATS

ROWS, EARLY, TEXTS, RECORD = "outputs.jsonl", "outputs.early.jsonl", "outputs.txt", "run.json"

_SYNC_SECONDS = 2.0

# What Python's splitlines takes for the end of a line, and JSON does not escape.
_LINE_ENDS = str.maketrans({end: f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"})


class _LinesFile:
    """A file of lines that grows. A line is on the disk at the latest two seconds after it was added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        self.count, self._end = 0, 0
        for line in self.read_lines():
            self.count, self._end = self.count + 1, self._end + len(line)
        self._synced = -_SYNC_SECONDS
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.sync()
        os.close(self._descriptor)

    def check_name(self) -> None:
        """Raise FileNotFoundError if the file was deleted or replaced since it was opened."""
        if not os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
            raise FileNotFoundError(self.path)

    def read_lines(self) -> Iterator[bytes]:
        """The whole lines."""
        with self.path.open("rb") as file:
            yield from takewhile(lambda line: line.endswith(b"\n"), file)

    def read(self, start: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, start)

    def append(self, line: bytes) -> int:
        """Add a line, whole or not at all; where it starts. Raises TextgenError if the disk is full."""
        start = self._end
        try:
            os.ftruncate(self._descriptor, start)  # a torn line goes
            view = memoryview(line)
            while view:
                view = view[os.write(self._descriptor, view) :]
            self._sync_soon()
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, start)
            raise _write_error(self.path, error) from None
        self.count, self._end = self.count + 1, start + len(line)
        return start

    def clear(self) -> None:
        os.ftruncate(self._descriptor, 0)
        self.count = self._end = 0

    def sync(self) -> None:
        """Wait until all lines are on the disk."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._synced = time.monotonic()
        os.fsync(self._descriptor)

    def _sync_soon(self) -> None:
        wait = self._synced + _SYNC_SECONDS - time.monotonic()
        if wait <= 0:
            self.sync()
        elif self._timer is None:
            self._timer = threading.Timer(wait, self._sync_late)
            self._timer.daemon = True
            self._timer.start()

    def _sync_late(self) -> None:
        with suppress(OSError):  # the next line meets it, too
            self.sync()


class Outputs:
    """The folder, locked for this process: see `open_outputs`."""

    def __init__(self, folder: Path, rows: _LinesFile, early: _LinesFile) -> None:
        self.folder, self._rows, self._early = folder, rows, early
        self._check_rows()
        self._places = dict(self._find_early())  # of the rows that were put aside: start and length
        self._write_early()

    @property
    def done(self) -> int:
        """How many rows are done."""
        return self._rows.count + len(self._places)

    @property
    def in_order(self) -> int:
        """How many rows are done without a gap: those of outputs.jsonl."""
        return self._rows.count

    def has(self, number: int) -> bool:
        """Whether row `number`, from 0, is done."""
        return number < self._rows.count or number in self._places

    def add(self, number: int, row: Mapping[str, object]) -> None:
        """Add row `number`: from then on it outlives this process, and in two seconds a power failure.

        Raises TextgenError if the disk is full.
        """
        line = _to_line(row)
        if number == self._rows.count:
            self._rows.append(line)
            self._write_early()
        else:
            prefix = b"%d " % number
            start = self._early.append(prefix + line) + len(prefix)
            self._places[number] = start, len(line)

    def read_rows(self) -> Iterator[dict[str, Any]]:
        """The rows of outputs.jsonl, in their order."""
        return map(json.loads, self._rows.read_lines())

    def write_record(self, record: Mapping[str, object]) -> None:
        """Write run.json, whole."""
        _write(self.folder / RECORD, [json.dumps(record, indent=2, ensure_ascii=False) + "\n"])

    def write_texts(self, prefix: str = "") -> None:
        """Write outputs.txt, whole, from the rows, whose names that textgen gives begin with `prefix`."""
        _write(self.folder / TEXTS, format_texts(self.read_rows(), prefix))

    def _check_rows(self) -> None:
        """Raise InputError unless the first and the last row look like a run's."""
        lines = self._rows.read_lines()
        for line in [*islice(lines, 1), *deque(lines, 1)]:
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not (isinstance(row, dict) and any(name.endswith("sequence") for name in row)):
                raise InputError(f"{self._rows.path}: not written by textgen; use another --output")

    def _find_early(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """The number of each row that was put aside, and its place in the file."""
        start = 0
        for line in self._early.read_lines():
            number, _, row = line.partition(b" ")
            if not number.isdigit():
                raise InputError(f"{self._early.path}: not written by textgen; use another --output")
            if int(number) >= self._rows.count:
                yield int(number), (start + len(line) - len(row), len(row))
            start += len(line)

    def _write_early(self) -> None:
        """Write the rows that were put aside and are next."""
        while place := self._places.get(self._rows.count):
            self._rows.append(self._early.read(*place))
            del self._places[self._rows.count - 1]
        if self._early.count and not self._places:
            self._rows.sync()  # before the other copies go
            self._early.clear()


def read_record(folder: Path) -> dict[str, Any]:
    """The content of the folder's run.json; empty if there is none. Raises InputError if it is not one."""
    path = folder / RECORD
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}; use another --output") from None
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{path}: not written by textgen; use another --output")
    return record


@contextmanager
def open_outputs(folder: Path, overwrite: bool = False) -> Iterator[Outputs]:
    """Make the folder if need be, and open it for one run; `overwrite` deletes an earlier run's files.

    A run that fails before it has written anything leaves no folder.
    Raises InputError if another process writes there, or if nothing can be written there.
    """
    is_new = not folder.exists()
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            rows = stack.enter_context(_LinesFile(folder / ROWS))
        except OSError as error:
            raise InputError(
                f"{folder}: can't be written to: {error.strerror}; use another --output"
            ) from None
        try:
            stack.enter_context(locked(folder / ROWS, blocking=False))
            rows.check_name()
        except (BlockingIOError, FileNotFoundError):
            raise InputError(f"{folder}: another run is writing there; use another --output") from None
        early = stack.enter_context(_LinesFile(folder / EARLY))
        if overwrite:
            rows.clear()
            early.clear()
            for name in (TEXTS, RECORD, *FORMATS):
                (folder / name).unlink(missing_ok=True)
        try:
            yield Outputs(folder, rows, early)
        finally:
            if not early.count:
                early.path.unlink()
            if not rows.count and not (folder / RECORD).exists():
                rows.path.unlink()
                if is_new:
                    folder.rmdir()


def format_texts(rows: Iterable[Mapping[str, Any]], prefix: str = "") -> Iterator[str]:
    """The parts of outputs.txt: `---`, `Output 1 of 5`, `---`, an empty line, the text.

    An empty line stands between two texts; at the next prompt the numbers start again. Rows with an
    error have no text.
    """
    separator = ""
    for _, group in groupby(rows, lambda row: row[f"{prefix}id"]):
        texts = [row[f"{prefix}text"] for row in group if row.get(f"{prefix}error") is None]
        for number, text in enumerate(texts, 1):
            yield f"{separator}---\nOutput {number} of {len(texts)}\n---\n\n{text}\n"
            separator = "\n"


def _to_line(row: Mapping[str, object]) -> bytes:
    """The row as JSON in one line, also for programs that split lines as Python's splitlines does."""
    return json.dumps(row, ensure_ascii=False).translate(_LINE_ENDS).encode() + b"\n"


def _write(path: Path, parts: Iterable[str]) -> None:
    try:
        write_atomically(path, (part.encode() for part in parts))
    except OSError as error:
        raise _write_error(path, error) from None


def _write_error(path: Path, error: OSError) -> TextgenError:
    return TextgenError(
        f"{path}: {error.strerror}; finished texts are kept: run the same command again to continue"
    )
