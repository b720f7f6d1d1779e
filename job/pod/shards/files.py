"""The files of a shard that is done: stored whole, and last its result, by which it is done."""

import hashlib
import os

import click

from job.datasets.layout import new_id
from job.errors import CommitError
from job.generate.formats import PARQUET
from job.generate.outputs import RECORD, ROWS
from job.generate.shards.files import FILES
from job.generate.shards.record import open_shard_file, read_shard_record
from job.pod.shards.keys import ShardFile, ShardResult, Shards
from job.pod.shards.lines import Lines, find_lines, read_lines, refuse_unreadable
from job.text import counted
from job.untrusted_files import UntrustedPath

FILE_LIMIT = 4 * 10**9  # bytes; S3 copies up to 5 GB in one request


def store_shard(shards: Shards, index: int, folder: UntrustedPath) -> ShardResult:
    """Store what `python -m job shard` wrote, which has ended; the shard's result.

    A file of lines is cut at lines to files of less than 4 GB. Raises CommitError if the shard is not done.
    """
    if stored := shards.read_result(index):
        click.echo(f"{shards.job}: shard {index} was stored before")
        return stored
    file = folder.joinpath(RECORD)
    record = read_shard_record(file)
    found = _find_lines(folder.joinpath(ROWS))
    rows = sum(lines.rows for lines in found)
    if record["rows"] != rows:
        raise CommitError(f"{file.name}: says {record['rows']} rows, and {ROWS} has {rows}")
    files: tuple[ShardFile, ...] = ()
    if rows:
        path = folder.joinpath(FILES[record["settings"]["format"]])
        if path.parts[-1] != ROWS:
            found = [_find_whole(path, rows)] if path.parts[-1] == PARQUET else _find_lines(path)
        files = tuple(_store_file(shards, index, path, lines) for lines in found)
    result = ShardResult(files, rows, record)
    shards.put_result(index, result)
    click.echo(f"{counted(rows, 'row')}, {sum(file.size for file in files)} bytes")
    return result


def _store_file(shards: Shards, index: int, path: UntrustedPath, lines: Lines) -> ShardFile:
    key = f"{shards.shard_prefix(index)}files/{new_id()}/{path.parts[-1]}"
    with open_shard_file(path) as file, refuse_unreadable(path.name):
        shards.store.upload(key, read_lines(file, lines, path.name), lines.size)
    return ShardFile(key, lines.size, lines.sha256, lines.rows)


def _find_lines(path: UntrustedPath) -> list[Lines]:
    """All lines of a file, in pieces of up to FILE_LIMIT. Raises CommitError if the last is not whole."""
    found: list[Lines] = []
    with open_shard_file(path) as file, refuse_unreadable(path.name):
        size, start = os.fstat(file.fileno()).st_size, 0
        while start < size:
            lines = find_lines(file, start, FILE_LIMIT)
            if not lines.rows:
                raise CommitError(f"{path.name}: its last line is not whole; was the shard stopped?")
            found.append(lines)
            start += lines.size
    return found


def _find_whole(path: UntrustedPath, rows: int) -> Lines:
    """A file that has no lines."""
    with open_shard_file(path) as file, refuse_unreadable(path.name):
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a raw file
        return Lines(0, os.fstat(file.fileno()).st_size, rows, digest)
