"""Indexes of texts that are made while a page is shown already."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from argo.texts.comparison import open_comparison
from argo.texts.index import open_index
from job.datasets import Datasets, Version

T = TypeVar("T")

_FIRST_WAIT = 0.3  # seconds: a small index is there by then


@dataclass
class Making:
    """An index that a thread makes: first of rows, then of their words, which a search needs. `read` is in
    bytes of the texts' files."""

    read: int = 0
    has_rows: threading.Event = field(default_factory=threading.Event)
    has_words: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    _counts: dict[str, Any] = field(default_factory=dict)

    def is_ready(self, *, search: bool) -> bool:
        """Whether rows can be listed, or searched."""
        return (self.has_words if search else self.has_rows).is_set()

    def add(self, size: int) -> None:
        """Count bytes that were read."""
        self.read += size

    def count_once(self, name: str, count: Callable[[], T]) -> T:
        """What `count` has returned the first time: a version never changes."""
        if name not in self._counts:
            self._counts[name] = count()
        value: T = self._counts[name]
        return value


class TextIndexes:
    """Makes the index of each version once; any thread may ask."""

    def __init__(self, datasets: Datasets) -> None:
        self._datasets = datasets
        self._lock = threading.Lock()
        self._makings: dict[str, Making] = {}

    def make(self, version: Version, *, search: bool = False) -> Making:
        """How far a version's index is. Raises what went wrong, and begins again the next time."""
        return self._start_once(version.manifest, partial(self._make, version), search=search)

    def compare(self, versions: Sequence[Version]) -> threading.Event:
        """Set when the first version's texts have been compared with the others'. Raises what went wrong."""
        key = " ".join(version.manifest for version in versions)
        return self._start_once(key, partial(self._compare, versions)).has_rows

    def _start_once(self, key: str, work: Callable[[Making], None], *, search: bool = False) -> Making:
        """What a thread makes by `work`, which is started if it is not there; it is waited for a little."""
        with self._lock:
            making = self._makings.get(key)
            if making is None:
                making = self._makings[key] = Making()
                threading.Thread(target=_run, args=(work, making), daemon=True).start()
        (making.has_words if search else making.has_rows).wait(_FIRST_WAIT)
        if making.error:
            with self._lock:
                self._makings.pop(key, None)
            raise making.error
        return making

    def _compare(self, versions: Sequence[Version], making: Making) -> None:
        with ExitStack() as stack:
            first, *others = [
                stack.enter_context(open_index(self._datasets, version)) for version in versions
            ]
            for other in others:
                stack.enter_context(open_comparison(first, other))
        making.has_rows.set()

    def _make(self, version: Version, making: Making) -> None:
        with open_index(self._datasets, version, progress=making.add):
            making.has_rows.set()
        with open_index(self._datasets, version, search=True):
            making.has_words.set()


def _run(work: Callable[[Making], None], making: Making) -> None:
    try:
        work(making)
    except Exception as error:  # which the page raises
        making.error = error
        making.has_rows.set()
        making.has_words.set()
