"""Telling somebody how far a transfer is."""

from collections.abc import Callable

Progress = Callable[[int], None]
"""Told the bytes of each piece that was moved."""


def silent(size: int) -> None:
    """Nobody wants to know."""
