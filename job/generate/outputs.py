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

_LINE_ENDS = str.maketrans({end: f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"})

ROWS, TEXTS, RECORD = "outputs.jsonl", "outputs.txt", "run.json"


class Outputs:
    """The folder, locked for this process. Made by `opened`."""

    def __init__(self, folder: Path, file: int) -> None:
        self.folder, self._file = folder, file
        data = (folder / ROWS).read_bytes()
        # What follows the last newline is a torn row: the next append starts in its place.
        self._end = data.rfind(b"\n") + 1
        try:
            self.rows: list[dict[str, Any]] = [json.loads(line) for line in data[: self._end].splitlines()]
        except ValueError:
            self.rows = [{}]
        if not all(isinstance(row, dict) and "id" in row for row in self.rows):
            raise InputError(f"{folder / ROWS}: not a file of ours; use another --output")

    def append(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Add rows to outputs.jsonl, and to the disk, before this returns; all of them or none.

        Raises TextgenError where the disk is full.
        """
        data = b"".join(map(_line, rows))
        try:
            os.ftruncate(self._file, self._end)
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise _failed(self.folder / ROWS, error) from None
        self._end += len(data)
        self.rows.extend(map(dict, rows))

    def record(self) -> dict[str, Any]:
        """What run.json says; empty where there is none yet."""
        path = self.folder / RECORD
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InputError(f"{path}: not a file of ours; use another --output")
        return found

    def write_record(self, record: Mapping[str, object]) -> None:
        """Write run.json, whole."""
        _replace(self.folder / RECORD, [json.dumps(record, indent=2, ensure_ascii=False) + "\n"])

    def write_texts(self, sequences: int) -> None:
        """Write outputs.txt, whole, from the rows: `sequences` for each prompt."""
        _replace(self.folder / TEXTS, tutorial_format(self.rows, sequences))


@contextmanager
def opened(folder: Path, overwrite: bool = False) -> Iterator[Outputs]:
    """Open the folder for one run, and make it if need be; `overwrite` removes what a run left.

    Raises InputError where another process writes there or the folder is not one,
    TextgenError where the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / ROWS, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except (FileExistsError, NotADirectoryError, PermissionError, IsADirectoryError) as error:
        raise InputError(f"{folder}: can't be written to: {error.strerror}; use another --output") from None
    except OSError as error:
        raise _failed(folder, error) from None
    with ExitStack() as stack:
        stack.callback(os.close, file)
        try:
            stack.enter_context(locked(folder / ROWS, blocking=False))
        except BlockingIOError:
            raise InputError(f"{folder}: another run is writing there; use another --output") from None
        if overwrite:
            os.ftruncate(file, 0)
            for name in (TEXTS, RECORD):
                (folder / name).unlink(missing_ok=True)
        yield Outputs(folder, file)


def tutorial_format(rows: Iterable[Mapping[str, Any]], sequences: int) -> Iterator[str]:
    """The parts of outputs.txt: `---`, `Output 1 of 5`, `---`, an empty line, the text.

    An empty line stands between two texts; at the next prompt the numbers start again.
    """
    for place, row in enumerate(rows):
        between = "\n" if place else ""
        yield f"{between}---\nOutput {row['sequence']} of {sequences}\n---\n\n{row['text']}\n"


def _line(row: Mapping[str, object]) -> bytes:
    """The row as JSON in one line, also for those who read lines as Python's splitlines does."""
    return json.dumps(row, ensure_ascii=False).translate(_LINE_ENDS).encode() + b"\n"


def _replace(path: Path, parts: Iterable[str]) -> None:
    try:
        write_atomically(path, (part.encode() for part in parts))
    except OSError as error:
        raise _failed(path, error) from None


def _failed(path: Path, error: OSError) -> TextgenError:
    return TextgenError(
        f"{path}: {error.strerror}; what is done is kept: the same command goes on from there"
    )
