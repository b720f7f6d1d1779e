"""The files that shards leave become one file, as a generation without shards leaves it."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from job.errors import InputError, TextgenError
from job.extras import describe_missing, is_installed
from job.generate.formats import PARQUET
from job.generate.parquet_files import join_files as join_parquet_files
from job.generate.shards.files import FILES, list_shard_files

_CHUNK = 1 << 20  # bytes


def check_join(names: Collection[str]) -> None:
    """Raise InputError if `join_shard_files` can't join the files of these names here."""
    if list_shard_files(PARQUET, names) and not is_installed("pyarrow"):
        raise InputError(f"to join Parquet files: {describe_missing('pyarrow')}")


def join_shard_files(folder: Path) -> None:
    """Put one file in place of those that shards have left in a folder; it is on the disk then.

    A folder that has the one file already stays as it is. Raises TextgenError if the disk is full, or if
    Parquet files have no common columns.
    """
    names = [path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
    for name in FILES.values():
        parts, joined = [folder / part for part in list_shard_files(name, names)], folder / name
        if not parts or os.path.lexists(joined):
            continue
        mode = parts[0].stat().st_mode
        try:
            (join_parquet_files if name == PARQUET else _join_lines)(parts, joined)
            joined.chmod(mode)
            with joined.open("rb") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise TextgenError(f"{joined}: {error.strerror}") from None
        for part in parts:
            part.unlink(missing_ok=True)


def _join_lines(parts: Sequence[Path], joined: Path) -> None:
    """Write the lines of all files into one. Each goes as soon as it is read: the disk may be nearly full."""
    with joined.open("wb") as target:
        for part in parts:
            last = b""
            with part.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                    last = chunk
            if last and not last.endswith(b"\n"):
                target.write(b"\n")
            part.unlink()
