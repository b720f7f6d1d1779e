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
    """The store does not answer, or says that it is too busy: the same request may succeed later."""


@dataclass(frozen=True, slots=True)
class Object:
    """A key, its size in bytes, and when it was written by the store's clock."""

    key: str
    size: int
    modified: datetime


class Store(Protocol):
    """A backend. Every method raises StoreError if the store refuses or can't be reached."""

    url: str

    def get(self, key: str) -> bytes:
        """The bytes under `key`. Raises KeyAbsentError."""

    def put(self, key: str, body: bytes) -> None:
        """Store `body` durably; it replaces what was under `key`."""

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store `body` unless the key exists; True if exactly these bytes are under it now.

        Of any number of writers with different bytes, exactly one gets True.
        """

    def supports_conditional_writes(self) -> bool:
        """Whether `put_if_absent` is atomic in this store (If-None-Match)."""

    def upload(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        """Store about `size` bytes as they come, in bounded memory; the key appears whole or not at all."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes under `key` from `start` to before `end`, or to the last, in chunks.

        A chunk may be any buffer with a length: give it to a file or a digest, or call bytes() first.
        Raises KeyAbsentError.
        """

    def copy(self, source: str, target: str) -> None:
        """Copy a key inside the store, without sending its bytes. Raises KeyAbsentError."""

    def list_objects(self, prefix: str, limit: int | None = None) -> Iterator[Object]:
        """The objects below `prefix` in byte order of their keys, at most `limit`."""

    def list_folders(self, prefix: str) -> list[str]:
        """The names directly below `prefix` that have keys below them, in order."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys; a key that does not exist is no error."""

    def remove_interrupted_uploads(self, before: datetime) -> list[str]:
        """Remove what uploads that were interrupted before that time have left; return their keys."""

    def now(self) -> datetime:
        """The time by the store's clock: no decision depends on this machine's."""
