"""What a store has to offer: keys with bytes, and one atomic put-if-absent.

Everything else (versions, tags, transfers, garbage collection) is written once above this. A key
is a relative path with `/` between its parts; a prefix ends with `/`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from job.errors import StoreError


class KeyAbsentError(StoreError):
    """There is nothing under a key."""


class UnavailableError(StoreError):
    """The store does not answer, or says that it can't just now: the same may work later."""


@dataclass(frozen=True, slots=True)
class Object:
    """One key. `modified` is by the store's clock."""

    key: str
    size: int
    modified: datetime


class Store(Protocol):
    """A backend. Every method raises StoreError where the store refuses or can't be reached."""

    url: str

    def get(self, key: str) -> bytes:
        """The bytes under `key`. Raises KeyAbsentError."""

    def put(self, key: str, body: bytes) -> None:
        """Store `body`, whole and durable, in place of what was there."""

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store `body` unless the key is taken; True if these very bytes are under it now.

        Exactly one of any number of writers with different bytes gets True.
        """

    def supports_conditional_writes(self) -> bool:
        """Whether `put_if_absent` keeps that promise here."""

    def upload(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        """Store about `size` bytes as they come, in bounded memory; the key appears whole or not at all."""

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The bytes under `key` from `start` on, in chunks. Raises KeyAbsentError."""

    def copy(self, source: str, target: str) -> None:
        """Store under `target` what is under `source`, without sending it. Raises KeyAbsentError."""

    def listing(self, prefix: str, limit: int | None = None) -> Iterator[Object]:
        """The keys below `prefix` in byte order, at most `limit`."""

    def folders(self, prefix: str) -> list[str]:
        """The names directly below `prefix` that have keys below them, in order."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys; one that is not there is no error."""

    def sweep(self, before: datetime) -> list[str]:
        """Remove what uploads that were interrupted before then have left; return what for."""

    def now(self) -> datetime:
        """The store's clock: no decision rests on this machine's."""
