"""Many requests at once: in parallel, ahead of their use, and within an amount of memory."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

SMALL = 1 << 20  # bytes; such files are moved in one piece

Progress = Callable[[int], None]
"""Called with the bytes of each piece that was moved."""


def ignore_progress(size: int) -> None:
    """The Progress of a transfer that nobody watches."""


class Sized(Protocol):
    """A file with its size in bytes."""

    @property
    def size(self) -> int: ...


A = TypeVar("A")
F = TypeVar("F", bound=Sized)
B = TypeVar("B")

_WORKERS = 32  # for requests that mostly wait
# Largest size in bytes, and how many such files at once: tiny ones mostly wait, large ones fill a connection.
_CONCURRENCY = ((1 << 14, 64), (SMALL, _WORKERS), (sys.maxsize, 4))


def parallel_map(function: Callable[[A], B], items: Iterable[A], workers: int = _WORKERS) -> list[B]:
    """`function` of every item, in order. The first error is raised, and no further call begins."""
    pool = ThreadPoolExecutor(workers)
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)


def map_files(function: Callable[[F], B], files: Sequence[F]) -> list[B]:
    """`function` of every file, which moves its bytes: the smallest files first, and most of them at once."""
    results: list[B] = []
    smallest = 0
    for largest, workers in _CONCURRENCY:
        results += parallel_map(function, [f for f in files if smallest <= f.size <= largest], workers)
        smallest = largest + 1
    return results


def prefetch(
    read_part: Callable[[int, int], bytes], start: int, end: int, part_size: int, parallel: int
) -> Iterator[bytes]:
    """The bytes from `start` to before `end`, in parts, of which `parallel` are requested at the same time.

    `read_part` returns the bytes from its first to before its second argument.
    """
    starts = iter(range(start, end, part_size))
    parts: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(parallel)
    try:
        while True:
            while len(parts) < parallel and (first := next(starts, None)) is not None:
                parts.append(pool.submit(read_part, first, min(first + part_size, end)))
            if not parts:
                return
            yield parts.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class ByteBudget:
    """A number of bytes that threads share; a thread that needs more than is left waits."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._changed = threading.Condition()

    @contextmanager
    def acquire(self, size: int) -> Iterator[None]:
        """Hold `size` bytes, at most the whole budget, for as long as the context lasts."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()
