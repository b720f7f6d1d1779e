"""A dataset store in a bucket.

Bytes go through obstore, which costs a seventh of boto3's time a request; what needs an answer to be
understood exactly (put if absent, the store's clock, interrupted uploads) goes through boto3.
Uploads are signed with their own hash, so the store refuses bytes that changed on the way.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from job.datasets.ahead import read_ahead
from job.datasets.budget import Budget
from job.datasets.probe import put_if_absent_works
from job.datasets.s3_clients import Clients
from job.datasets.s3_errors import explained
from job.datasets.s3_location import Location
from job.datasets.store import KeyAbsentError, Object, UnavailableError

if TYPE_CHECKING:
    from obstore import GetOptions

PART = 8 << 20  # bytes; S3 takes 10,000 parts of at least 5 MiB
_MOST_PARTS = 9_000
_IN_FLIGHT = 64 << 20  # bytes that uploads hold in memory, all together
_RANGE = 4 << 20  # bytes of a large object that are asked for at a time
_AHEAD = 4  # ranges that are on their way together
_ATTEMPTS = 8
_LONGEST_WAIT = 4.0  # seconds

_TAKEN = {409, 412}


class S3:
    """The store below a location; see job.datasets.store.Store."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.url = f"s3://{location.bucket}/{location.prefix}".rstrip("/")
        self._memory = Budget(_IN_FLIGHT)
        self._clock: tuple[datetime, float] | None = None
        self._conditional: bool | None = None
        self._probing = threading.Lock()
        self._warming = False

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
        from botocore.exceptions import ClientError, HTTPClientError

        with explained(self.url):
            try:
                self._clients.once.put_object(
                    Bucket=self.location.bucket, Key=self._key(key), Body=body, IfNoneMatch="*"
                )
            except ClientError as error:
                status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
                if status in _TAKEN or status == 429 or (status >= 500 and status != 501):
                    return False
                raise
            except HTTPClientError:
                return False
        return True

    def conditional(self) -> bool:
        """Whether the store keeps the promise of `put_if_absent`; probed once and noted in the store."""
        with self._probing:
            if self._conditional is None:
                self._conditional = put_if_absent_works(
                    self, f"{self._clients.endpoint}/{self.location.bucket}"
                )
            return self._conditional

    _conditional: bool | None = None

    def upload(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        import obstore

        self._warm_up()
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

    def _warm_up(self) -> None:
        """Make the clients that the log record needs while the first bytes are on their way."""
        if not self._warming:
            self._warming = True
            threading.Thread(target=lambda: (self._clients.boto, self._clients.once), daemon=True).start()

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        import obstore

        path = self._key(key)
        with explained(self.url, key):
            # a range from 0 is refused for an empty object, and answered in full by some stores
            options: GetOptions = {"range": {"offset": start}} if start else {}
            found = obstore.get(self._clients.bytes, path, options=options)
            size = found.meta["size"]
            if size - start <= 2 * _RANGE:
                for chunk in found.stream(min_chunk_size=1 << 20):
                    yield bytes(chunk)
                return
            del found  # its connection is closed
            with self._memory.taken(_AHEAD * _RANGE):
                yield from read_ahead(self._range(path), start, size, _RANGE, _AHEAD)

    def _range(self, path: str) -> Callable[[int, int], bytes]:
        import obstore

        # it can be read like bytes; to copy it into bytes costs as much as to receive it
        return lambda begin, end: cast(
            bytes, obstore.get_range(self._clients.bytes, path, start=begin, end=end)
        )

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
        """By the `Date` of the newest answer, which is exact to a second, and the time since."""
        if self._clock is None:
            with explained(self.url):
                self._clients.boto.list_objects_v2(
                    Bucket=self.location.bucket, Prefix=self.location.prefix, MaxKeys=1
                )
        date, at = self._clock or (datetime.now(UTC), time.monotonic())
        return date + timedelta(seconds=time.monotonic() - at)

    def _key(self, key: str) -> str:
        return self.location.prefix + key

    @cached_property
    def _clients(self) -> Clients:
        return Clients(self.location, self._read_clock)

    def _read_clock(self, http_response: Any, **_: Any) -> None:
        if date := http_response.headers.get("Date"):
            self._clock = parsedate_to_datetime(date), time.monotonic()
