"""The output folder of a run: outputs.jsonl row by row, outputs.txt and run.json whole.

A killed run leaves whole rows, and at most one torn last line, which the next run cuts off.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from job.errors import InputError, TextgenError
from job.files import locked, write_atomically

ROWS, TEXTS, RECORD = "outputs.jsonl", "outputs.txt", "run.json"

# What Python's splitlines takes for the end of a line, and JSON does not escape.
_LINE_ENDS = str.maketrans({end: f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"})


class Outputs:
    """The folder, locked for this process: see `open_outputs`."""

    def __init__(self, folder: Path, descriptor: int) -> None:
        self.folder, self._descriptor = folder, descriptor  # of outputs.jsonl
        data = (folder / ROWS).read_bytes()
        # What follows the last newline is a torn row: the next append starts in its place.
        self._end = data.rfind(b"\n") + 1
        try:
            self.rows: list[dict[str, Any]] = [json.loads(line) for line in data[: self._end].splitlines()]
        except ValueError:
            self.rows = [{}]
        if not all(isinstance(row, dict) and "id" in row for row in self.rows):
            raise InputError(f"{folder / ROWS}: not written by textgen; use another --output")

    def append(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Add rows to outputs.jsonl, and to the disk, before this returns; all of them or none.

        Raises TextgenError if the disk is full.
        """
        data = b"".join(map(_to_line, rows))
        try:
            os.ftruncate(self._descriptor, self._end)
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
            raise _write_error(self.folder / ROWS, error) from None
        self._end += len(data)
        self.rows.extend(map(dict, rows))

    def count_rows(self) -> int:
        """How many whole rows the file has: more than `rows`, if a signal came while some were added."""
        return (self.folder / ROWS).read_bytes().count(b"\n")

    def read_record(self) -> dict[str, Any]:
        """The content of run.json; empty if there is none yet."""
        path = self.folder / RECORD
        try:
            record = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise InputError(f"{path}: not written by textgen; use another --output")
        return record

    def write_record(self, record: Mapping[str, object]) -> None:
        """Write run.json, whole."""
        _write(self.folder / RECORD, [json.dumps(record, indent=2, ensure_ascii=False) + "\n"])

    def write_texts(self, sequences: int) -> None:
        """Write outputs.txt, whole, from the rows: `sequences` for each prompt."""
        _write(self.folder / TEXTS, format_texts(self.rows, sequences))


@contextmanager
def open_outputs(folder: Path, overwrite: bool = False) -> Iterator[Outputs]:
    """Make the folder if need be, and open it for one run; `overwrite` deletes an earlier run's files.

    Raises InputError if another process writes there, or if nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ROWS, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise InputError(f"{folder}: can't be written to: {error.strerror}; use another --output") from None
    with ExitStack() as stack:
        stack.callback(os.close, descriptor)
        try:
            stack.enter_context(locked(folder / ROWS, blocking=False))
        except BlockingIOError:
            raise InputError(f"{folder}: another run is writing there; use another --output") from None
        if overwrite:
            os.ftruncate(descriptor, 0)
            for name in (TEXTS, RECORD):
                (folder / name).unlink(missing_ok=True)
        yield Outputs(folder, descriptor)


def format_texts(rows: Iterable[Mapping[str, Any]], sequences: int) -> Iterator[str]:
    """The parts of outputs.txt: `---`, `Output 1 of 5`, `---`, an empty line, the text.

    An empty line stands between two texts; at the next prompt the numbers start again.
    """
    for number, row in enumerate(rows):
        separator = "\n" if number else ""
        yield f"{separator}---\nOutput {row['sequence']} of {sequences}\n---\n\n{row['text']}\n"


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
