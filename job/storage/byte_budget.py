"""How much memory transfers may hold, all together."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """An amount that threads share; who wants more than is left waits."""

    def __init__(self, amount: int) -> None:
        self._left = amount
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Hold `amount`, which is at most the whole, for a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= amount)
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()
