"""Doing many slow requests at once."""

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
_LARGE = 4  # at once: they fill a connection, and more of them only take memory


def each(function: Callable[[A], B], items: Iterable[A], workers: int = _WORKERS) -> list[B]:
    """`function` of every item, in order. The first error ends it; what has not begun is dropped."""
    pool = ThreadPoolExecutor(workers)
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)


def each_file(function: Callable[[F], B], files: Sequence[F]) -> list[B]:
    """`function` of every file, which moves its bytes: of the small ones first, then of the large ones."""
    small = [file for file in files if file.size <= SMALL]
    large = [file for file in files if file.size > SMALL]
    return each(function, small) + each(function, large, _LARGE)
