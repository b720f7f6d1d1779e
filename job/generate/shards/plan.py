"""`python -m job plan`: the texts of a run divided into shards, each for a process of its own.

The rows are read twice, as a stream: once to check and count them, and once more for the place of each.
How many texts each row has is kept in a temporary file meanwhile.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self

import click

from job.command import FilePath, print_notice
from job.errors import InputError, PromptError, TextgenError
from job.files import write_atomically
from job.generate.check_rows import check_rows
from job.generate.formats import check_format
from job.generate.identity import select_present
from job.generate.options import exit_on_sigterm, read_settings, settings_options
from job.generate.prompts.files import RowFile, read_whole_lines
from job.generate.prompts.rows import read_file
from job.generate.prompts.source import STANDARD_INPUT, RowSource, open_rows
from job.generate.settings import Settings
from job.generate.shards.files import MOST_SHARDS
from job.generate.shards.plan_json import FILE as PLAN
from job.generate.shards.shard import FILE, FORMAT, Piece, Shard, piece_path
from job.termination import report_termination
from job.text import counted


def write_plan(settings: Settings, shards: int, folder: Path, copy_rows: bool = False) -> None:
    """Write plan.json and a folder for each shard into `folder`, which must be empty or absent.

    copy_rows: put the rows of every file into the folder, not only those of compressed and .parquet ones.
    Raises InputError and TextgenError as `run` does before it looks for the model, OSError if nothing can be
    written there, TextgenError if the disk is full.
    """
    check_format(settings)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: not empty; give another folder, or delete it")
    with open_rows(settings, folder) as source, TemporaryFile() as notes:
        prompts, texts = _note_rows(source, notes)
        notes.seek(0)
        folder.mkdir(parents=True, exist_ok=True)
        copies = copy_rows or settings.prompts == STANDARD_INPUT
        rows = _read_again(source, notes)
        try:
            texts_of_shards = _write_shards(source, rows, texts, shards, folder, copies)
        except OSError as error:
            raise TextgenError(f"{folder}: {error.strerror}") from None
    plan = {
        "format": FORMAT,
        "shards": shards,
        "prompts": prompts,
        "texts": texts,
        "texts_of_shards": texts_of_shards,
        "settings": asdict(settings),
    }
    write_atomically(folder / PLAN, [json.dumps(plan, indent=2).encode() + b"\n"])
    print_notice(
        f"{counted(texts, 'text')} of {counted(prompts, 'row')} in {counted(shards, 'shard')}: {folder}"
    )


def _note_rows(source: RowSource, notes: IO[bytes]) -> tuple[int, int]:
    """Check the rows and write for each how many texts it has, and what a shard can't find wrong with it."""
    prompts = texts = 0
    for prompt in check_rows(source):
        count = prompt.count_texts(source.settings.num_return_sequences)
        prompts, texts = prompts + 1, texts + count
        error = f" {json.dumps(prompt.error)}" if prompt.is_duplicate else ""
        notes.write(f"{count}{error}\n".encode())
    return prompts, texts


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a file, or the settings' prompt. start: where its bytes begin in the file."""

    file: RowFile | None
    line: int
    start: int
    content: bytes
    texts: int
    error: str


def _read_again(source: RowSource, notes: Iterable[bytes]) -> Iterator[_Row]:
    """The rows with what was noted of them. Raises PromptError if there are more or fewer than before."""
    notes, settings = iter(notes), source.settings
    if not source.files:
        yield _Row(None, 1, 0, b"", int(next(notes)), "")
    for file in source.files:
        start = 0
        for line, (content, error) in enumerate(_read_contents(file, settings.prompt_field), 1):
            note = next(notes, None)
            if note is None:
                raise PromptError(f"{file}: changed while it was read; start again")
            texts, _, duplicate = note.decode().partition(" ")
            yield _Row(
                file, line, start, content, int(texts), error or (json.loads(duplicate) if duplicate else "")
            )
            start += len(content)
    if next(notes, None) is not None:
        raise PromptError(f"{settings.prompts}: changed while it was read; start again")


def _read_contents(file: RowFile, prompt_field: str) -> Iterator[tuple[bytes, str]]:
    """The lines of a file; of a .parquet one, each row as a line of JSON, and why it is none."""
    if file.kind != ".parquet":
        for line in read_whole_lines(file):
            yield line, ""
        return
    for row in read_file(file, prompt_field):
        error = str(row) if isinstance(row, PromptError) else ""
        yield json.dumps(None if error else row, ensure_ascii=False).encode() + b"\n", error


@dataclass(frozen=True, slots=True)
class _Part:
    """Of a row, those of its texts that a shard has: `texts` of them, from number `first_sequence` on."""

    shard: int
    row: _Row
    first_sequence: int
    texts: int


def _share_out(rows: Iterable[_Row], texts: int, shards: int, *, is_divisible: bool) -> Iterator[_Part]:
    """Each shard's rows, in their order: shards differ by at most one text if rows are divisible."""
    least, larger = divmod(texts, shards)
    shard, position, end = 0, 0, least + (larger > 0)  # of the texts of all shards
    for row in rows:
        left = row.texts
        while left:
            while position >= end:
                shard += 1
                end += least + (shard < larger)
            part = min(left, end - position) if is_divisible else left
            yield _Part(shard, row, row.texts - left + 1, part)
            position, left = position + part, left - part


def _write_shards(
    source: RowSource, rows: Iterable[_Row], texts: int, shards: int, folder: Path, copies: bool
) -> list[int]:
    """Write a folder for each shard; how many texts each has."""
    template = source.row_format.template
    empty = Shard(
        shard=0,
        shards=shards,
        texts=0,
        prompts=0,
        digest=source.digest(),
        present=select_present({}),
        settings=source.settings,
        template=template.source if template else None,
        pieces=(),
        first_sequence=1,
        errors={},
    )
    # A line of OpenAI's results holds all of a prompt's texts.
    parts = _share_out(rows, texts, shards, is_divisible=source.settings.format != "openai")
    written = dict.fromkeys(range(shards), 0)
    for number, group in groupby(parts, attrgetter("shard")):
        written[number] = _write_shard(replace(empty, shard=number), group, folder, copies)
    for number in [number for number, count in written.items() if not count]:
        _write_shard(replace(empty, shard=number), (), folder, copies)
    return list(written.values())


def _write_shard(shard: Shard, parts: Iterable[_Part], folder: Path, copies: bool) -> int:
    """Write the shard's folder; how many texts it has."""
    folder = folder / f"{shard.shard:05}"
    folder.mkdir()
    pieces: list[Piece] = []
    errors: dict[int, str] = {}
    texts = prompts = 0
    first_sequence = 1
    for file, group in groupby(parts, lambda part: part.row.file):
        with _PieceWriter(file, piece_path(folder, len(pieces)), copies) as piece:
            for part in group:
                if not prompts:
                    first_sequence = part.first_sequence
                if part.row.error:
                    errors[prompts] = part.row.error
                prompts, texts = prompts + 1, texts + part.texts
                piece.add(part.row)
        pieces += piece.describe()
    shard = replace(
        shard,
        texts=texts,
        prompts=prompts,
        pieces=tuple(pieces),
        first_sequence=first_sequence,
        errors=errors,
    )
    (folder / FILE).write_bytes(json.dumps(shard.to_json()).encode() + b"\n")
    return texts


class _PieceWriter:
    """Contiguous rows of a file: their place in it, or a copy of them at `copy`."""

    def __init__(self, file: RowFile | None, copy: Path, copies: bool) -> None:
        self._file = file
        is_copied = file is not None and (copies or file.kind == ".parquet" or bool(file.compression))
        self._copy = copy.open("wb") if is_copied else None
        self._digest = hashlib.sha256()
        self._line = self._start = self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._copy:
            self._copy.close()

    def add(self, row: _Row) -> None:
        if not self._size:
            self._line, self._start = row.line, row.start
        self._size += len(row.content)
        self._digest.update(row.content)
        if self._copy:
            self._copy.write(row.content)

    def describe(self) -> Iterator[Piece]:
        """The piece; none of the settings' prompt."""
        if self._file is not None:
            file, digest = self._file, self._digest.hexdigest()
            path, start = (str(file), 0) if self._copy else (str(file.path), self._start)
            yield Piece(file.name, str(file), path, self._line, start, start + self._size, digest)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=FilePath())
@click.option("--shards", type=click.IntRange(1, MOST_SHARDS), required=True, help="Number of shards.")
@click.option("--copy-rows", is_flag=True, help="Copy the rows of all files, also of those read by range.")
@settings_options
@report_termination
def command(
    file: Path | None, inputs: Path | None, folder: Path, shards: int, copy_rows: bool, **flags: object
) -> None:
    """Divide the texts of a run into shards, each with a folder in FOLDER."""
    exit_on_sigterm()
    write_plan(read_settings(file, inputs, flags), shards, folder, copy_rows)
