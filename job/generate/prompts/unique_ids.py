"""Whether ids are unique, for more of them than memory holds."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType

from job.errors import TextgenError
from job.generate.prompts.prompt import Prompt

_ROWS = 1000  # that are added at once
_CACHE_KIB = 65536


class UniqueIds:
    """The ids that were seen, with where: in a temporary file of SQLite's, which the system removes."""

    def __init__(self) -> None:
        self.has_duplicates = False
        self._database = sqlite3.connect("", isolation_level=None)  # an empty name stands for such a file
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("BEGIN")  # and never a commit: pages go to the disk if the cache is full
        self._database.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, location TEXT) WITHOUT ROWID")

    def check(self, prompts: Iterable[Prompt]) -> Iterator[Prompt]:
        """The prompts, with an `error` where an id was seen before. Raises TextgenError for a full disk."""
        prompts = iter(prompts)
        while block := list(islice(prompts, _ROWS)):
            try:
                self._check_block(block)
            except sqlite3.Error as error:
                raise TextgenError(
                    f"the ids can't be kept in a temporary file: {error}; set TMPDIR to a folder with room"
                ) from None
            yield from block

    def _check_block(self, block: list[Prompt]) -> None:
        ids = [(str(prompt.id), prompt.location) for prompt in block]
        insert = "INSERT OR IGNORE INTO ids VALUES (?, ?)"
        if self._database.executemany(insert, ids).rowcount == len(ids):
            return
        for prompt, (id_, location) in zip(block, ids, strict=True):
            select = self._database.execute("SELECT location FROM ids WHERE id = ?", [id_])
            if (first := select.fetchone()[0]) != location:
                self.has_duplicates = True
                if not prompt.error:
                    prompt.error = f"duplicate id {prompt.id!r}, first in {first}; give it another"
                    prompt.is_duplicate = True

    def __enter__(self) -> "UniqueIds":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
