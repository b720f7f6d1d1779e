"""Files of rows: which there are, and their lines, one at a time."""

import glob
import gzip
import hashlib
import importlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from job.command import print_notice
from job.errors import PromptError
from job.extras import describe_missing
from job.text import listed

KINDS = (".txt", ".jsonl", ".parquet")
_COMPRESSED = (".gz", ".zst")
_READ = ".txt, .jsonl and .parquet files, and .txt and .jsonl ones as .gz or .zst,"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ZSTD = ("compression.zstd", "backports.zstd")  # of Python 3.14, and for those before

MAX_LINE = 2**26  # bytes
_PARQUET_ROWS = 1000  # that are read at once


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file of rows, or a piece of one.

    name: the file's path below what was asked for, for ids; place: for messages. A piece is the bytes from
    `start` to `end` of the path, and begins at the file's line number `line`; it holds lines, also of a file
    that is compressed or a .parquet one: of that, rows as JSON.
    """

    path: Path
    name: str
    place: str = ""
    line: int = 1
    start: int = 0
    end: int | None = None  # None for a whole file

    def __str__(self) -> str:
        return self.place or _to_text(self.path)

    @property
    def kind(self) -> str:
        """`.txt`, `.jsonl` or `.parquet`; empty if the file is not read."""
        kind = _read_suffixes(self.name)[0]
        return ".jsonl" if kind == ".parquet" and self.end is not None else kind

    @property
    def compression(self) -> str:
        """`.gz` or `.zst`; empty if it is not compressed."""
        return _read_suffixes(self.name)[1] if self.end is None else ""


def find_files(prompts: str) -> list[RowFile]:
    """The files of rows at a path: a file, a folder of them, or a pattern (`*`, `?`, `[a-z]`, `**`) of both.

    In the order of their names. Hidden ones are left out, and others that are not read are named on
    stderr. Raises PromptError if there is none.
    """
    path = Path(prompts)
    if path.exists() or not glob.has_magic(prompts):
        return _list_files(path)
    # Hidden ones are the system's: .DS_Store, and macOS's ._a.txt beside an a.txt on a foreign disk.
    # pathlib takes no pattern that is absolute.
    paths = [Path(each) for each in sorted(glob.glob(prompts, recursive=True))]  # noqa: PTH207
    if not paths:
        raise PromptError(f"{prompts}: no file has such a name; quote the pattern and check its folder")
    root = Path(*_take_plain(path.parts[:-1]))
    files = [file for path in paths for file in _list_entries(path)]
    return _select(prompts, [_name(file, file.relative_to(root)) for file in dict.fromkeys(files)])


def _take_plain(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part


def _list_files(path: Path) -> list[RowFile]:
    if not path.exists():
        raise PromptError(f"{path}: no such file or folder of prompts")
    return _select(str(path), [_name(file, file.relative_to(file.parent)) for file in _list_entries(path)])


def _name(path: Path, name: Path) -> RowFile:
    return RowFile(path, _to_text(name))


def _to_text(path: Path) -> str:
    """The path as JSON can have it: a byte that is no UTF-8 is written `\\xff`."""
    return bytes(path).decode("utf-8", "backslashreplace")


def _list_entries(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except NotADirectoryError:
        return [path]
    except OSError as error:
        raise PromptError(f"{path}: can't be read: {error.strerror}") from None


def _select(place: str, files: list[RowFile]) -> list[RowFile]:
    selected: list[RowFile] = []
    others: list[str] = []
    for file in files:
        if file.kind and not _is_special(file.path):
            selected.append(file)
        else:
            others.append(file.name)
    if not selected:
        raise PromptError(f"{place}: prompts must be .txt, .jsonl or .parquet files")
    if others:
        print_notice(f"{place}: only {_READ} are read, and not {listed(others)}")
    return selected


def _is_special(path: Path) -> bool:
    """Whether it is a folder, or what can be read only once: a named pipe, a device, a socket."""
    return path.exists() and not path.is_file()


def _read_suffixes(name: str) -> tuple[str, str]:
    """The kind of a file, and how it is compressed; empty if it is not."""
    lowered = name.lower()
    compression = next((suffix for suffix in _COMPRESSED if lowered.endswith(suffix)), "")
    kind = next((kind for kind in KINDS if lowered.removesuffix(compression).endswith(kind)), "")
    return ("", "") if compression and kind == ".parquet" else (kind, compression)


def digest_files(files: Iterable[RowFile]) -> str:
    """A digest of the files' names and bytes: what the rows depend on. Raises PromptError."""
    digest = hashlib.sha256()
    for file in files:
        try:
            with file.path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise PromptError(f"{file}: can't be read: {error.strerror}") from None
        digest.update(f"{file.name}\0{content}\n".encode())
    return digest.hexdigest()


def read_lines(file: RowFile) -> Iterator[bytes]:
    """The lines of a `.txt` or `.jsonl` file, without their ends and the file's byte order mark.

    Raises PromptError as `read_whole_lines` does.
    """
    for number, line in enumerate(read_whole_lines(file), file.line):
        text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        yield text.removesuffix(b"\n").removesuffix(b"\r")


def read_whole_lines(file: RowFile) -> Iterator[bytes]:
    """The lines of a `.txt` or `.jsonl` file: all its bytes, decompressed.

    Only a newline ends a line: U+2028 or a form feed is text. Raises PromptError for a file that can't be
    read or is cut off, or for a line longer than MAX_LINE.
    """
    number, position = file.line - 1, file.start
    with _open(file) as stream:
        while (file.end is None or position < file.end) and (line := _read_line(file, stream, number)):
            number, position = number + 1, position + len(line)
            if len(line) > MAX_LINE:
                raise PromptError(f"{file}:{number}: longer than {MAX_LINE >> 20} MiB; is it one row?")
            yield line


def _read_line(file: RowFile, stream: IO[bytes], number: int) -> bytes:
    try:
        return stream.readline(MAX_LINE + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problem = "cut off" if isinstance(error, EOFError) else "damaged, or not compressed"
    except OSError as error:
        problem = f"not readable: {error.strerror}"
    except Exception as error:  # zstd's own
        problem = f"damaged: {error}"
    raise PromptError(f"{file}: {problem} after line {number}; write the file again") from None


@contextmanager
def _open(file: RowFile) -> Iterator[IO[bytes]]:
    open_zstd = _find_zstd(file) if file.compression == ".zst" else None
    try:
        stream: IO[bytes] = file.path.open("rb")
    except OSError as error:
        raise PromptError(f"{file}: can't be read: {error.strerror}") from None
    with stream:
        if open_zstd:
            with open_zstd(stream) as decompressed:
                yield decompressed
        elif file.compression == ".gz":
            with gzip.open(stream) as unzipped:
                yield unzipped  # type: ignore[misc]  # a GzipFile
        else:
            if file.start:
                stream.seek(file.start)
            yield stream


def _find_zstd(file: RowFile) -> Any:
    for module in _ZSTD:
        try:
            return importlib.import_module(module).ZstdFile
        except ImportError:
            continue
    raise PromptError(f"{file}: .zst is read by Python 3.14; before, run: pip install backports.zstd")


def read_parquet(file: RowFile) -> Iterator[dict[str, Any]]:
    """The rows of a `.parquet` file by their columns' names. Raises PromptError."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise PromptError(f"{file}: {describe_missing('pyarrow')}") from None
    number = 0
    try:
        with ParquetFile(file.path) as parquet:
            for batch in parquet.iter_batches(batch_size=_PARQUET_ROWS):
                rows = batch.to_pylist()
                yield from rows
                number += len(rows)
    except (ArrowException, OSError) as error:
        problem = str(error).splitlines()[0]
        raise PromptError(f"{file}: damaged or cut off after row {number}: {problem}") from None
