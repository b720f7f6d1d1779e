"""Two versions side by side: which settings, figures and texts differ."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from argo.texts import cache
from argo.texts.index import Index, read_row
from argo.texts.rows import Row
from argo.texts.words import difference
from job.datasets import Datasets, Manifest, Version
from job.datasets.diff import flatten
from job.untrusted_json import parse_json

RECORD = "run.json"

_FORMAT = 2  # of the table; change it with it
_LARGEST_RECORD = 1 << 20  # bytes
_BATCH = 100  # pairs

# Rows are joined by prompt and id; those that are left, by prompt, as an id may be the number of a line; then
# by id, as the prompt may have been changed. `turn` counts the rows of one prompt and sequence.
_JOINS = """
CREATE TEMP TABLE joined (before INTEGER UNIQUE, after INTEGER UNIQUE);
INSERT INTO joined SELECT a.line, b.line FROM first.rows a JOIN second.rows b USING (id, sequence, prompt);
CREATE TEMP TABLE left_before AS
    SELECT line, id, sequence, hash(prompt) AS prompt,
        row_number() OVER (PARTITION BY hash(prompt), sequence ORDER BY line) AS turn
    FROM first.rows WHERE line NOT IN (SELECT before FROM joined);
CREATE TEMP TABLE left_after AS
    SELECT line, id, sequence, hash(prompt) AS prompt,
        row_number() OVER (PARTITION BY hash(prompt), sequence ORDER BY line) AS turn
    FROM second.rows WHERE line NOT IN (SELECT after FROM joined);
CREATE INDEX prompts ON left_after (prompt, sequence, turn);
CREATE INDEX ids ON left_after (id, sequence);
INSERT INTO joined SELECT a.line, b.line FROM left_before a JOIN left_after b USING (prompt, sequence, turn);
INSERT OR IGNORE INTO joined SELECT a.line, b.line FROM left_before a JOIN left_after b USING (id, sequence)
    WHERE a.line NOT IN (SELECT before FROM joined) AND b.line NOT IN (SELECT after FROM joined);
CREATE TABLE pairs (number INTEGER PRIMARY KEY, kind TEXT, difference REAL, before INTEGER, after INTEGER);
INSERT INTO pairs (kind, difference, before, after)
    SELECT kind, difference, before, after FROM (
        SELECT CASE WHEN a.completion = b.completion AND a.prompt = b.prompt AND a.error = b.error
                THEN 'same' ELSE 'changed' END AS kind,
            CASE WHEN a.completion != b.completion THEN difference(a.completion, b.completion)
                WHEN a.prompt != b.prompt THEN difference(a.prompt, b.prompt)
                ELSE difference(a.error, b.error) END AS difference,
            before, after
        FROM joined JOIN first.rows a ON a.line = before JOIN second.rows b ON b.line = after
        UNION ALL
        SELECT 'only', 1, line, NULL FROM first.rows WHERE line NOT IN (SELECT before FROM joined)
        UNION ALL
        SELECT 'only', 1, NULL, line FROM second.rows WHERE line NOT IN (SELECT after FROM joined)
    ) ORDER BY coalesce(after, before), after;
CREATE INDEX kinds ON pairs (kind, difference DESC);
CREATE INDEX differences ON pairs (difference DESC);
CREATE INDEX befores ON pairs (before)
"""


class Kind(StrEnum):
    """What a pair of rows is; `only` one version has the row."""

    SAME = "same"
    CHANGED = "changed"
    ONLY = "only"


class Order(StrEnum):
    """The order of the files, or the most different first."""

    FILE = "file"
    DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of each version, with the same prompt or id, and the same sequence; None if a version has none.

    `difference` is that of the completions, from 0 to 1; see `argo.texts.words`.
    """

    kind: Kind
    difference: float
    before: Row | None
    after: Row | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many pairs are of each kind."""

    same: int
    changed: int
    only_before: int
    only_after: int


class Comparison:
    """The rows of two versions in pairs; see `open_comparison`. For one thread."""

    def __init__(self, path: Path, before: Path, after: Path) -> None:
        self.path = path
        with cache.reading(path):
            self._connection = cache.connect(path, {"first": before, "second": after})

    def close(self) -> None:
        self._connection.close()

    def count(self) -> Counts:
        """The pairs of each kind."""
        kinds = dict(self._query("SELECT kind, count(*) FROM pairs GROUP BY kind"))
        removed = self._query("SELECT count(*) FROM pairs WHERE kind = 'only' AND after IS NULL")[0][0]
        return Counts(kinds.get("same", 0), kinds.get("changed", 0), removed, kinds.get("only", 0) - removed)

    def pairs(
        self, kind: Kind | None = None, order: Order = Order.FILE, start: int = 0, limit: int = 50
    ) -> list[Pair]:
        """A page of pairs, of one kind or of all; `start` counts from 0."""
        where = "WHERE kind = ?" if kind else ""
        by = "number" if order is Order.FILE else "difference DESC, number"
        sql = f"SELECT * FROM pairs {where} ORDER BY {by} LIMIT ? OFFSET ?"  # noqa: S608
        return [self._read_pair(record) for record in self._query(sql, *filter(None, [kind]), limit, start)]

    def differing(self) -> Iterator[Pair]:
        """All pairs but those that are the same, in the order of the files."""
        number = 0
        while records := self._query(
            "SELECT * FROM pairs WHERE kind != 'same' AND number > ? ORDER BY number LIMIT ?", number, _BATCH
        ):
            yield from map(self._read_pair, records)
            number = records[-1][0]

    def find_partner(self, line: int) -> Row | None:
        """The row of the second version that goes with a line of the first."""
        records = self._query("SELECT after FROM pairs WHERE before = ?", line)
        return self._find_row("second", records[0][0]) if records else None

    def _read_pair(self, record: tuple[int, str, float, int | None, int | None]) -> Pair:
        _, kind, difference, before, after = record
        return Pair(Kind(kind), difference, self._find_row("first", before), self._find_row("second", after))

    def _find_row(self, version: str, line: int | None) -> Row | None:
        if line is None:
            return None
        return read_row(self._query(f"SELECT * FROM {version}.rows WHERE line = ?", line)[0])  # noqa: S608

    def _query(self, sql: str, *values: object) -> list[Any]:
        with cache.reading(self.path):
            return self._connection.execute(sql, values).fetchall()


@contextmanager
def open_comparison(before: Index, after: Index) -> Iterator[Comparison]:
    """The comparison of two versions, made now if this user's cache does not have it.

    Raises TextgenError if the cache can't be written.
    """
    files = {"first": before.path, "second": after.path}
    path = cache.make_database(f"{before.path.stem}-{after.path.stem}-{_FORMAT}.sqlite", _fill, files)
    comparison = Comparison(path, before.path, after.path)
    try:
        yield comparison
    finally:
        comparison.close()


def read_figures(datasets: Datasets, version: Version, manifest: Manifest) -> Mapping[str, str]:
    """What run.json says of the generation beside its settings: speed, times, rows, tokens. May be empty."""
    file = next((file for file in manifest.files if file.path == RECORD), None)
    if file is None or file.size > _LARGEST_RECORD:
        return {}
    try:
        record = parse_json(datasets.read_file(version, RECORD))
    except ValueError:
        return {}
    if not isinstance(record, dict):
        return {}
    return dict(flatten({name: value for name, value in record.items() if name not in {"settings", "run"}}))


def _fill(connection: sqlite3.Connection) -> None:
    connection.create_function("hash", 1, hash)
    connection.create_function("difference", 2, difference)
    for statement in _JOINS.split(";\n"):
        connection.execute(statement)
