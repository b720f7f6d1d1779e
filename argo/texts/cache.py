"""SQLite files in this user's cache: each made once, whole or not at all, of what never changes."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from job.errors import TextgenError
from job.files import locked
from job.project import user_cache

_UNUSED_SECONDS = 30 * 24 * 3600
_CACHE_KIB = 64 << 10

Fill = Callable[[sqlite3.Connection], None]


def make_database(name: str, fill: Fill, attached: Mapping[str, Path] | None = None) -> Path:
    """The SQLite file `name` of the cache, which `fill` fills if it is not there yet.

    `fill` can read the `attached` files by their names. Files that nobody has used for a month are removed
    then. Raises TextgenError if the disk refuses.
    """
    folder = user_cache() / "textgen" / "texts"
    path = folder / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_database(path):  # one that is there waits for none that is made
            with locked(folder):
                if not _is_database(path):
                    _remove_unused(folder)
                    _make(path, fill, attached or {})
        os.utime(path)
    except OSError as error:
        raise TextgenError(
            f"{error.filename or folder}: {error.strerror}; XDG_CACHE_HOME names another folder"
        ) from error
    return path


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into TextgenError."""
    try:
        yield
    except sqlite3.Error as error:
        raise TextgenError(f"{path}: {error}; delete this file, which is made anew then") from error


def connect(path: Path, attached: Mapping[str, Path] | None = None) -> sqlite3.Connection:
    """A connection that can't write."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    _attach(connection, attached or {})
    return connection


def _make(path: Path, fill: Fill, attached: Mapping[str, Path]) -> None:
    partial = path.with_name(f".{path.name}")
    try:
        with closing(sqlite3.connect(partial.as_uri(), uri=True, isolation_level=None)) as connection:
            # If this process dies, the file is left alone and the next one is made
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            _attach(connection, attached)
            connection.execute("BEGIN")
            fill(connection)
            connection.execute("COMMIT")
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except sqlite3.Error as error:
        raise TextgenError(f"{path}: {error}; XDG_CACHE_HOME names another folder") from error
    finally:
        partial.unlink(missing_ok=True)


def _attach(connection: sqlite3.Connection, attached: Mapping[str, Path]) -> None:
    for name, path in attached.items():
        connection.execute(f"ATTACH ? AS {name}", [f"{path.as_uri()}?mode=ro"])


def _is_database(path: Path) -> bool:
    try:
        with closing(connect(path)) as connection:
            return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    except sqlite3.Error:  # not there, or damaged
        return False


def _remove_unused(folder: Path) -> None:
    """Remove what was not used for long, and what processes that died have left. The folder is locked."""
    for path in folder.iterdir():
        with suppress(OSError):
            if path.name.startswith(".") or time.time() - path.stat().st_mtime > _UNUSED_SECONDS:
                path.unlink()
