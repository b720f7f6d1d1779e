"""`--prompts -`: rows of standard input, kept in the output folder so that the run can go on without them."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

from job.errors import InputError, PromptError
from job.files import sync_folder
from job.generate.prompts.files import RowFile

NAMES = ("stdin.jsonl", "stdin.txt")
PLACE = "standard input"
_HEAD = 4096  # bytes that tell of which kind the rows are


@contextmanager
def copy_standard_input(folder: Path) -> Iterator[RowFile]:
    """Standard input as a file in the folder: rows of JSON if it begins with an object, else a prompt a line.

    Until `keep` it is a partial one, which goes at the end. If standard input is empty or a terminal, the
    rows are those that an earlier process kept.
    Raises PromptError if there are none, InputError if nothing can be written to the folder.
    """
    head = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read(_HEAD)
    if not head:
        kept = [name for name in NAMES if (folder / name).is_file()]
        if not kept:
            raise PromptError("standard input is empty; pipe rows into the command, or give it their file")
        yield RowFile(folder / kept[0], kept[0], PLACE)
        return
    is_json = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    partial = folder / f".stdin.{os.getpid()}.partial"
    is_new = not folder.exists()
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as copy:
                shutil.copyfileobj(BytesIO(head), copy)
                shutil.copyfileobj(sys.stdin.buffer, copy)
                copy.flush()
                os.fsync(copy.fileno())
        except OSError as error:
            raise InputError(
                f"{folder}: can't be written to: {error.strerror}; use another --output"
            ) from None
        yield RowFile(partial, NAMES[0] if is_json else NAMES[1], PLACE)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
            if is_new:
                folder.rmdir()  # only if it is empty


def keep(file: RowFile) -> RowFile:
    """The file under the name by which a process that goes on with the run finds it."""
    folder = file.path.parent
    if file.path.name == file.name:
        return file
    for name in NAMES:
        if name != file.name:
            (folder / name).unlink(missing_ok=True)
    file.path.replace(folder / file.name)
    sync_folder(folder)
    return RowFile(folder / file.name, file.name, PLACE)
