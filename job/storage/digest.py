"""The sha256 of a stream, computed while its next chunk is read or sent."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

_THREAD_FROM = 1 << 18  # bytes; a smaller chunk is hashed at once


class Digest:
    """A context manager that hashes each chunk in another thread while the next one is read."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._last: Future[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    def __enter__(self) -> "Digest":
        return self

    def update(self, chunk: bytes) -> None:
        """Add a chunk, which must not change afterwards."""
        self._wait()
        if len(chunk) < _THREAD_FROM:
            self._hash.update(chunk)
        else:
            self._thread = self._thread or ThreadPoolExecutor(1)
            self._last = self._thread.submit(self._hash.update, chunk)

    def hexdigest(self) -> str:
        """The sha256 of all chunks."""
        self._wait()
        return self._hash.hexdigest()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread:
            self._thread.shutdown()

    def _wait(self) -> None:
        if self._last:
            self._last.result()
