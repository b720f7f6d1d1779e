"""Parquet files with the columns of all that goes into them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from job.errors import TextgenError
from job.files import sync_folder


def write_tables(
    path: Path, read_schemas: Callable[[], Iterator[Any]], read_tables: Callable[[], Iterator[Any]], hint: str
) -> None:
    """Write pyarrow's tables into one file, as `write_atomically` does; a table lacks the columns of others.

    Raises TextgenError, with the hint, if they have no common columns, OSError.
    """
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    partial = path.with_name(f".{path.name}.partial")
    try:
        schema = pyarrow.schema([])
        for other in read_schemas():
            schema = pyarrow.unify_schemas([schema, other], promote_options="permissive")
        with ParquetWriter(partial, schema) as writer:
            for table in read_tables():
                columns = [
                    table[field.name].cast(field.type)
                    if field.name in table.column_names
                    else pyarrow.nulls(len(table), field.type)
                    for field in schema
                ]
                writer.write_table(pyarrow.table(columns, schema))
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except (
        *(pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError),
        OverflowError,  # an integer of more than 64 bits
    ) as error:
        problem = str(error).splitlines()[0]
        raise TextgenError(f"{path.name}: the rows have no common columns: {problem}; {hint}") from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def join_files(parts: Sequence[Path], path: Path) -> None:
    """Write the row groups of all files into one. Raises as `write_tables`."""
    from pyarrow.parquet import ParquetFile, read_schema

    def tables() -> Iterator[Any]:
        for part in parts:
            with ParquetFile(part) as file:
                yield from map(file.read_row_group, range(file.num_row_groups))

    write_tables(path, lambda: map(read_schema, parts), tables, "leave the files as they are")
