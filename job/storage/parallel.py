"""Doing many slow requests at once."""

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

SMALL = 1 << 20  # bytes; such files are moved in one piece


class Sized(Protocol):
    """A file of so many bytes."""

    @property
    def size(self) -> int: ...


A = TypeVar("A")
F = TypeVar("F", bound=Sized)
B = TypeVar("B")

_WORKERS = 32  # for requests that mostly wait
# Up to how many bytes, so many files at once: a tiny one is all waiting, and a large one fills a connection.
_AT_ONCE = ((1 << 14, 64), (SMALL, _WORKERS), (sys.maxsize, 4))


def each(function: Callable[[A], B], items: Iterable[A], workers: int = _WORKERS) -> list[B]:
    """`function` of every item, in order. The first error ends it; what has not begun is dropped."""
    pool = ThreadPoolExecutor(workers)
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)


def each_file(function: Callable[[F], B], files: Sequence[F]) -> list[B]:
    """`function` of every file, which moves its bytes: of the smallest first, and of most of them at once."""
    found: list[B] = []
    least = 0
    for most, workers in _AT_ONCE:
        found += each(function, [file for file in files if least <= file.size <= most], workers)
        least = most + 1
    return found
