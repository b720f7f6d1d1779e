"""Doing many slow requests at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

WORKERS = 16


def each(function: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """`function` of every item, in order. The first error ends it; what has not begun is dropped."""
    pool = ThreadPoolExecutor(WORKERS)
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)
