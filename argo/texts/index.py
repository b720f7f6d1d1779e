"""An index of a version's texts in this user's cache: pages of them, searched and counted."""

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from argo.texts import cache
from argo.texts.files import get_texts, open_lines
from argo.texts.rows import BrokenRow, Lines, Names, Row, read_names, read_rows
from argo.texts.words import repetition
from job.datasets import Datasets, Version
from job.storage.parallel import Progress, ignore_progress
from job.text import quoted

_FORMAT = 4  # of the tables; change it with them

_COLUMNS = (
    "line",
    "id",
    "sequence",
    "prompt_tokens",
    "new_tokens",
    "finish_reason",
    "error",
    "other",
    "prompt",
    "completion",
    "text",
    "repetition",
)
_TABLES = """
CREATE TABLE rows (
    line INTEGER PRIMARY KEY, id TEXT, sequence INTEGER, prompt_tokens INTEGER, new_tokens INTEGER,
    finish_reason TEXT, error TEXT,
    other TEXT, -- JSON; NULL if there is none
    prompt TEXT, completion TEXT,
    text TEXT, -- NULL if it is the prompt and the completion
    repetition REAL
);
CREATE UNIQUE INDEX names ON rows (id, sequence);
CREATE TABLE broken (line INTEGER PRIMARY KEY, place TEXT, reason TEXT);
"""
# Made last, which is quicker. Counts read these and not the texts.
_COUNTED = """
CREATE INDEX figures ON rows (finish_reason, new_tokens);
CREATE INDEX errors ON rows (error) WHERE error != '';
CREATE INDEX lengths ON rows (new_tokens);
CREATE INDEX repetitions ON rows (repetition);
"""
_INSERT = f"INSERT OR IGNORE INTO rows VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
# Neither positions nor columns of words: less than a third of the texts' size
_WORDS = "CREATE VIRTUAL TABLE words USING fts5(prompt, completion, content='', detail=none)"
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows; all that is set must hold.

    `search` finds rows that have each of its words, at the beginning of a word, in prompt or completion. In
    double quotes, or with anything between spaces that is no word, it finds that very text. `id` and `prompt`
    are parts of them, `least` and `most` numbers of new tokens, and `errors` are rows with one.
    """

    search: str = ""
    id: str = ""
    prompt: str = ""
    finish_reason: str | None = None
    least: int | None = None
    most: int | None = None
    errors: bool = False


EVERYTHING = Filter()


class Order(StrEnum):
    """The order of the files, or by new tokens, or those first that repeat themselves most."""

    FILE = "file"
    LONGEST = "longest"
    SHORTEST = "shortest"
    REPETITIVE = "repetitive"


_ORDERS = {
    Order.FILE: "line",
    Order.LONGEST: "new_tokens DESC, line",
    Order.SHORTEST: "new_tokens IS NULL, new_tokens, line",
    Order.REPETITIVE: "repetition DESC, line",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of all rows. `new_tokens` are those of all texts together."""

    rows: int
    broken: int
    errors: int
    finish_reasons: Mapping[str, int]
    new_tokens: int

    @property
    def texts(self) -> int:
        """How many rows are texts, and no errors."""
        return self.rows - self.errors


class Index:
    """The texts of a version; see `open_index`. For one thread."""

    def __init__(self, path: Path, words: Path | None = None) -> None:
        self.path = path
        self._has_words = words is not None
        with cache.reading(path):
            self.connection = cache.connect(path, {"search": words} if words else {})
            self.connection.create_function("has", 2, _has, deterministic=True)

    def close(self) -> None:
        self.connection.close()

    def count(self, which: Filter = EVERYTHING) -> int:
        """How many rows there are."""
        where, values = self._where(which)
        return int(self.query(f"SELECT count(*) FROM rows {where}", values)[0][0])  # noqa: S608

    def rows(
        self, which: Filter = EVERYTHING, start: int = 0, limit: int = 50, order: Order = Order.FILE
    ) -> list[Row]:
        """A page of rows; `start` counts from 0."""
        where, values = self._where(which)
        by = _ORDERS[order]
        lines = f"SELECT line FROM rows {where} ORDER BY {by} LIMIT ? OFFSET ?"  # noqa: S608
        sql = f"SELECT * FROM rows WHERE line IN ({lines}) ORDER BY {by}"  # noqa: S608
        return [read_row(record) for record in self.query(sql, [*values, limit, start])]

    def read(self, line: int) -> Row | None:
        """The row of a line, counted over all files."""
        records = self.query("SELECT * FROM rows WHERE line = ?", [line])
        return read_row(records[0]) if records else None

    def neighbours(self, which: Filter, line: int) -> tuple[int | None, int | None]:
        """The lines of the rows before and after a line."""
        where, values = self._where(which)
        also = f"{where} AND" if where else "WHERE"
        before = f"SELECT line FROM rows {also} line < ? ORDER BY line DESC LIMIT 1"  # noqa: S608
        after = f"SELECT line FROM rows {also} line > ? ORDER BY line LIMIT 1"  # noqa: S608
        previous, following = (self.query(sql, [*values, line]) for sql in (before, after))
        return previous[0][0] if previous else None, following[0][0] if following else None

    def sample(self, most: int) -> list[Row]:
        """At most so many rows, evenly taken."""
        step = max(1, -(-self.count() // most))
        numbered = "SELECT line, row_number() OVER (ORDER BY line) - 1 AS number FROM rows"
        sql = f"SELECT * FROM rows WHERE line IN (SELECT line FROM ({numbered}) WHERE number % ? = 0)"  # noqa: S608
        return [read_row(record) for record in self.query(f"{sql} ORDER BY line", [step])]

    def broken(self, limit: int = 50) -> list[BrokenRow]:
        """The first lines that are no rows."""
        return [
            BrokenRow(*record) for record in self.query("SELECT * FROM broken ORDER BY line LIMIT ?", [limit])
        ]

    def figures(self) -> Figures:
        """What can be counted."""
        reasons = self.query(
            "SELECT finish_reason, count(*), sum(new_tokens) FROM rows GROUP BY finish_reason"
        )
        return Figures(
            sum(count for _, count, _ in reasons),
            self.query("SELECT count(*) FROM broken")[0][0],
            self.query("SELECT count(*) FROM rows WHERE error != ''")[0][0],
            {reason: count for reason, count, _ in reasons},
            sum(tokens or 0 for _, _, tokens in reasons),
        )

    def histogram(self, most: int = 30) -> list[tuple[int, int, int]]:
        """The new tokens in at most so many equal parts: the least of each, the most, and how many rows."""
        least, top = self.query("SELECT min(new_tokens), max(new_tokens) FROM rows")[0]
        if least is None:
            return []
        width = -(-(top - least + 1) // most)
        counts = dict(
            self.query(
                "SELECT (new_tokens - ?) / ?, count(*) FROM rows WHERE new_tokens IS NOT NULL GROUP BY 1",
                [least, width],
            )
        )
        starts = range(least, top + 1, width)
        return [(start, min(start + width - 1, top), counts.get(n, 0)) for n, start in enumerate(starts)]

    def repetition(self, parts: int = 20) -> tuple[float | None, list[tuple[int, int, int]]]:
        """How much a text repeats itself on average (see argo.texts.words), from 0 to 1; None if no text is
        long enough. Then `parts` equal parts: the least of each in percent, the most, and how many texts."""
        (mean,) = self.query("SELECT avg(repetition) FROM rows")[0]
        if mean is None:
            return None, []
        counts = dict(
            self.query(
                "SELECT min(CAST(repetition * ? AS INTEGER), ?), count(*) FROM rows "
                "WHERE repetition IS NOT NULL GROUP BY 1",
                [parts, parts - 1],
            )
        )
        width = 100 // parts
        return mean, [(n * width, (n + 1) * width, counts.get(n, 0)) for n in range(parts)]

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with cache.reading(self.path):
            return self.connection.execute(sql, values).fetchall()

    def _where(self, which: Filter) -> tuple[str, list[object]]:
        conditions: list[tuple[str, list[object]]] = []
        if which.search:
            conditions.append(self._search(which.search))
        for column, part in (("id", which.id), ("prompt", which.prompt)):
            if part:
                conditions.append((f"has({column}, ?)", [part.casefold()]))
        if which.finish_reason is not None:
            conditions.append(("finish_reason = ?", [which.finish_reason]))
        if which.least is not None:
            conditions.append(("new_tokens >= ?", [which.least]))
        if which.most is not None:
            conditions.append(("new_tokens <= ?", [which.most]))
        if which.errors:
            conditions.append(("error != ''", []))
        sql = " AND ".join(f"({condition})" for condition, _ in conditions)
        return sql and f"WHERE {sql}", [value for _, values in conditions for value in values]

    def _search(self, text: str) -> tuple[str, list[object]]:
        words = text.split()
        if self._has_words and all(_WORD.fullmatch(word) and not _is_unspaced(word) for word in words):
            match = " ".join(f'"{word}"*' for word in words)
            return "line IN (SELECT rowid FROM search.words WHERE words MATCH ?)", [match]
        exact = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
        return "has(completion, ?) OR has(prompt, ?)", [exact.casefold()] * 2


@contextmanager
def open_index(
    datasets: Datasets, version: Version, *, search: bool = False, progress: Progress = ignore_progress
) -> Iterator[Index]:
    """The index of a version's texts, made now if this user's cache does not have it.

    `search` also makes what finds words quickly. `progress` is called with the bytes that were read. Raises
    UnknownReferenceError if the version has no texts, StoreError if the store can't be read, TextgenError if
    the cache can't be written.
    """

    def fill(connection: sqlite3.Connection) -> None:
        manifest = datasets.manifest(version)
        lines = open_lines(datasets, version, get_texts(version, manifest), progress)
        _fill(connection, lines, read_names(manifest))

    name = f"{version.manifest}-{_FORMAT}"
    path, words = cache.make_database(f"{name}.sqlite", fill), None
    if search:
        words = cache.make_database(f"{name}-words.sqlite", _fill_words, {"texts": path})
    index = Index(path, words)
    try:
        yield index
    finally:
        index.close()


def read_row(record: Sequence[Any]) -> Row:
    """The row of a record of the table `rows`."""
    line, name, sequence, prompt_tokens, new_tokens, reason, error, other, prompt, completion, text, _ = (
        record
    )
    return Row(
        line,
        name,
        sequence,
        prompt,
        completion,
        prompt + completion if text is None else text,
        prompt_tokens,
        new_tokens,
        reason,
        error,
        json.loads(other) if other else {},
    )


def _fill(connection: sqlite3.Connection, lines: Lines, names: Names) -> None:
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    for row in read_rows(lines, names):
        if isinstance(row, BrokenRow):
            reason = row.reason
        elif connection.execute(_INSERT, _to_record(row)).rowcount:
            continue
        else:
            reason = f"a second row with the id {quoted(row.id)} and the sequence {row.sequence}"
        connection.execute("INSERT INTO broken VALUES (?, ?, ?)", [row.line, lines.place, reason])
    for statement in _COUNTED.split(";\n"):
        connection.execute(statement)


def _to_record(row: Row) -> tuple[object, ...]:
    return (
        row.line,
        row.id,
        row.sequence,
        row.prompt_tokens,
        row.new_tokens,
        row.finish_reason,
        row.error,
        json.dumps(row.other) if row.other else None,
        row.prompt,
        row.completion,
        None if row.continues_prompt else row.text,
        repetition(row.completion),
    )


def _fill_words(connection: sqlite3.Connection) -> None:
    connection.execute(_WORDS)
    connection.execute(
        "INSERT INTO words (rowid, prompt, completion) SELECT line, prompt, completion FROM texts.rows"
    )


def _has(text: str, part: str) -> bool:
    return part in text.casefold()


def _is_unspaced(word: str) -> bool:
    """Whether it may be of a script that puts no spaces between words, as Chinese and Thai do."""
    return any(unicodedata.category(character) == "Lo" for character in word)
