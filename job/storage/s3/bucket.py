"""A dataset store in a bucket.

Requests go through obstore, which costs a seventh of boto3's time; what it can't do (interrupted uploads,
copies of any size) goes through boto3. Uploads are signed with their own hash, so the store refuses
bytes that changed on the way.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, cast

from job.storage.byte_budget import Budget
from job.storage.prefetch import read_ahead
from job.storage.probe import put_if_absent_works
from job.storage.s3.clients import Clients
from job.storage.s3.errors import explained, status_of
from job.storage.s3.location import Location
from job.storage.store import KeyAbsentError, Object, UnavailableError

if TYPE_CHECKING:
    from obstore import Bytes, GetOptions

PART = 8 << 20  # bytes; S3 takes 10,000 parts of at least 5 MiB
_MOST_PARTS = 9_000
_IN_FLIGHT = 64 << 20  # bytes that uploads hold in memory, all together
_AT_ONCE = 1 << 20  # bytes of a small object that are received before any is handed out
_RANGE = 8 << 20  # bytes of a large object that are asked for at a time
_AHEAD = 3  # ranges that are on their way together
_ATTEMPTS = 8
_LONGEST_WAIT = 4.0  # seconds
_CLOCK = ".clock"  # when this key was put is the store's time


class S3:
    """The store below a location; see job.storage.store.Store."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.url = f"s3://{location.bucket}/{location.prefix}".rstrip("/")
        self._memory = Budget(_IN_FLIGHT)
        self._clock: tuple[datetime, float] | None = None
        self._conditional: bool | None = None
        self._probing = threading.Lock()

    @classmethod
    def at(cls, url: str) -> "S3":
        """The store at `s3://bucket/prefix?endpoint=…`. Raises InputError."""
        return cls(Location.parse(url))

    def get(self, key: str) -> bytes:
        import obstore

        with explained(self.url, key):
            return bytes(obstore.get(self._clients.bytes, self._key(key)).bytes())

    def put(self, key: str, body: bytes) -> None:
        import obstore

        with explained(self.url):
            obstore.put(self._clients.bytes, self._key(key), body, use_multipart=False)

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store `body` unless the key is taken; True if these very bytes are under it now.

        An answer that was lost, or comes to a request that was sent twice, says nothing about whose
        bytes are there: then the key is read.
        """
        for attempt in range(_ATTEMPTS):
            if self.try_if_absent(key, body):
                return True
            try:
                return self.get(key) == body
            except KeyAbsentError:
                time.sleep(random.uniform(0, min(0.05 * 2**attempt, _LONGEST_WAIT)))  # noqa: S311
        raise UnavailableError(f"{self.url}: {key} could not be put in {_ATTEMPTS} attempts; try again")

    def try_if_absent(self, key: str, body: bytes) -> bool:
        """One conditional request; False where it was refused or nobody knows what became of it.

        Raises StoreError where trying again can't help.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError

        with explained(self.url):
            try:
                obstore.put(self._clients.once, self._key(key), body, mode="create", use_multipart=False)
            except AlreadyExistsError:  # 409 or 412
                return False
            except BaseError as error:
                status = status_of(error)
                if status is None or status == 429 or (status >= 500 and status != 501):
                    return False
                raise
        return True

    def supports_conditional_writes(self) -> bool:
        """Whether the store keeps the promise of `put_if_absent`; probed once and noted in the store."""
        with self._probing:
            if self._conditional is None:
                self._conditional = put_if_absent_works(
                    self, f"{self._clients.endpoint}/{self.location.bucket}"
                )
            return self._conditional

    def upload(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        import obstore

        part = max(PART, -(-size // _MOST_PARTS))
        parallel = max(1, _IN_FLIGHT // part - 2)
        with self._memory.taken(min(size, _IN_FLIGHT)), explained(self.url):
            if size <= part:
                obstore.put(self._clients.bytes, self._key(key), b"".join(chunks), use_multipart=False)
            else:
                obstore.put(
                    self._clients.bytes,
                    self._key(key),
                    iter(chunks),
                    use_multipart=True,
                    chunk_size=part,
                    max_concurrency=parallel,
                )

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        import obstore

        path = self._key(key)
        with explained(self.url, key):
            # a range from 0 is refused for an empty object, and answered in full by some stores
            options: GetOptions = {"range": {"offset": start}} if start else {}
            found = obstore.get(self._clients.bytes, path, options=options)
            size = found.meta["size"]
            if size - start <= _AT_ONCE:
                yield _bytes(found.bytes())
                return
            if size - start <= 2 * _RANGE:
                yield from found.stream(min_chunk_size=_AT_ONCE)
                return
            del found  # its connection is closed
            with self._memory.taken(_AHEAD * _RANGE):
                yield from read_ahead(self._range(path), start, size, _RANGE, _AHEAD)

    def _range(self, path: str) -> Callable[[int, int], bytes]:
        import obstore

        return lambda begin, end: _bytes(obstore.get_range(self._clients.bytes, path, start=begin, end=end))

    def copy(self, source: str, target: str) -> None:
        bucket = self.location.bucket
        with explained(self.url, source):
            self._clients.boto.copy({"Bucket": bucket, "Key": self._key(source)}, bucket, self._key(target))

    def listing(self, prefix: str, limit: int | None = None) -> Iterator[Object]:
        import obstore

        start = len(self.location.prefix)
        with explained(self.url):
            pages = obstore.list(self._clients.bytes, prefix=self._key(prefix), chunk_size=limit or 1000)
            found = (item for page in pages for item in page)
            for item, _ in zip(found, range(limit) if limit else iter(int, 1), strict=False):
                yield Object(item["path"][start:], item["size"], item["last_modified"])

    def folders(self, prefix: str) -> list[str]:
        import obstore

        with explained(self.url):
            found = obstore.list_with_delimiter(self._clients.bytes, prefix=self._key(prefix) or None)
            return sorted(path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"])

    def delete(self, keys: Iterable[str]) -> None:
        import obstore

        with explained(self.url):
            obstore.delete(self._clients.bytes, [self._key(key) for key in keys])

    def sweep(self, before: datetime) -> list[str]:
        bucket, prefix = self.location.bucket, self.location.prefix
        found: list[str] = []
        with explained(self.url):
            # with a prefix that is not a whole key, some stores list no uploads at all
            for page in self._clients.boto.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
                for upload in page.get("Uploads", ()):
                    if upload["Key"].startswith(prefix) and upload["Initiated"] < before:
                        self._clients.boto.abort_multipart_upload(
                            Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        found.append(upload["Key"].removeprefix(prefix))
        return found

    def now(self) -> datetime:
        """When the store says that a key was put just now, exact to a second, and the time since."""
        import obstore

        if self._clock is None:
            self.put(_CLOCK, b"")
            with explained(self.url):
                put = obstore.head(self._clients.bytes, self._key(_CLOCK))["last_modified"]
            self._clock = put, time.monotonic()
        put, at = self._clock
        return put + timedelta(seconds=time.monotonic() - at)

    def _key(self, key: str) -> str:
        return self.location.prefix + key

    @cached_property
    def _clients(self) -> Clients:
        return Clients(self.location)


def _bytes(received: "Bytes") -> bytes:
    """Bytes of obstore's as they are: to copy them costs as much as to receive them."""
    return cast(bytes, received)
