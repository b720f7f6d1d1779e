"""A store in an S3 bucket.

Requests go through obstore, which needs a seventh of boto3's CPU time; what it can't do (interrupted uploads,
copies of any size) goes through boto3. Uploads are signed with the hash of their bytes, so the store refuses
bytes that changed on the way.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, cast

from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from job.storage.parallel import ByteBudget, prefetch
from job.storage.probe import probe_conditional_writes
from job.storage.s3.clients import Clients
from job.storage.s3.errors import http_status, translate_errors
from job.storage.s3.location import Credentials, Location
from job.storage.store import KeyAbsentError, Object, UnavailableError

if TYPE_CHECKING:
    from obstore import Bytes, GetOptions

PART = 8 << 20  # bytes; S3 takes 10,000 parts of at least 5 MiB
_MOST_PARTS = 9_000
_MEMORY = 64 << 20  # bytes that all transfers together hold
_SMALL = 1 << 20  # bytes; a smaller object is received whole before it is handed out
_RANGE = 8 << 20  # bytes of a large object that one request asks for
_PREFETCHED = 3  # ranges that are requested at the same time
_ATTEMPTS = 8
_CLOCK = ".clock"  # the time at which this key was put is the store's time


def _raise_unavailable(state: RetryCallState) -> bool:
    store, key, _ = state.args
    raise UnavailableError(f"{store.url}: {key} could not be put in {_ATTEMPTS} attempts; try again")


class S3:
    """The store below a location; see job.storage.store.Store."""

    def __init__(self, location: Location, credentials: Credentials | None = None) -> None:
        self.location = location
        self._credentials = credentials
        self.url = f"s3://{location.bucket}/{location.prefix}".rstrip("/")
        self._memory = ByteBudget(_MEMORY)
        self._clock: tuple[datetime, float] | None = None
        self._conditional: bool | None = None
        self._probing = threading.Lock()

    @classmethod
    def at(cls, url: str, credentials: Credentials | None = None) -> "S3":
        """The store at `s3://bucket/prefix?endpoint=…`. Raises InputError."""
        return cls(Location.parse(url), credentials)

    def get(self, key: str) -> bytes:
        import obstore

        with translate_errors(self.url, key):
            return bytes(obstore.get(self._clients.retrying, self._key(key)).bytes())

    def put(self, key: str, body: bytes) -> None:
        import obstore

        with translate_errors(self.url):
            obstore.put(self._clients.retrying, self._key(key), body, use_multipart=False)

    @retry(
        retry=retry_if_exception_type(KeyAbsentError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=4),
        retry_error_callback=_raise_unavailable,
    )
    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store `body` unless the key exists; True if exactly these bytes are under it now.

        If the answer was lost, or the request was sent twice, its status does not say whose bytes are there:
        then the key is read.
        """
        return self.try_put_if_absent(key, body) or self.get(key) == body

    def try_put_if_absent(self, key: str, body: bytes) -> bool:
        """One conditional request; False if it was refused or its result is unknown.

        Raises StoreError if trying again can't help.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError

        with translate_errors(self.url):
            try:
                obstore.put(self._clients.once, self._key(key), body, mode="create", use_multipart=False)
            except AlreadyExistsError:  # 409 or 412
                return False
            except BaseError as error:
                status = http_status(error)
                if status is None or status == 429 or (status >= 500 and status != 501):
                    return False
                raise
        return True

    def supports_conditional_writes(self) -> bool:
        """Whether `put_if_absent` is atomic here; probed once, and the answer is noted in the store."""
        with self._probing:
            if self._conditional is None:
                location = f"{self._clients.endpoint}/{self.location.bucket}"
                self._conditional = probe_conditional_writes(self, location)
            return self._conditional

    def upload(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        import obstore

        part = max(PART, -(-size // _MOST_PARTS))
        parallel = max(1, _MEMORY // part - 2)
        with self._memory.acquire(min(size, _MEMORY)), translate_errors(self.url):
            if size <= part:
                obstore.put(self._clients.retrying, self._key(key), b"".join(chunks), use_multipart=False)
            else:
                obstore.put(
                    self._clients.retrying,
                    self._key(key),
                    iter(chunks),
                    use_multipart=True,
                    chunk_size=part,
                    max_concurrency=parallel,
                )

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        import obstore

        path = self._key(key)
        with translate_errors(self.url, key):
            # a range from 0 is refused for an empty object, and answered in full by some stores
            options: GetOptions = {"range": {"offset": start}} if start else {}
            if end is not None:
                if start >= end:  # no range of HTTP
                    return
                options = {"range": (start, end)}
            response = obstore.get(self._clients.retrying, path, options=options)
            end = response.meta["size"] if end is None else min(end, response.meta["size"])
            if end - start <= _SMALL:
                yield _as_bytes(response.bytes())
                return
            if end - start <= 2 * _RANGE:
                yield from response.stream(min_chunk_size=_SMALL)
                return
            del response  # closes its connection
            with self._memory.acquire(_PREFETCHED * _RANGE):
                yield from prefetch(self._range_reader(path), start, end, _RANGE, _PREFETCHED)

    def _range_reader(self, path: str) -> Callable[[int, int], bytes]:
        import obstore

        client = self._clients.retrying
        return lambda start, end: _as_bytes(obstore.get_range(client, path, start=start, end=end))

    def copy(self, source: str, target: str) -> None:
        bucket = self.location.bucket
        with translate_errors(self.url, source):
            self._clients.boto.copy({"Bucket": bucket, "Key": self._key(source)}, bucket, self._key(target))

    def list_objects(self, prefix: str, limit: int | None = None) -> Iterator[Object]:
        import obstore

        start = len(self.location.prefix)
        with translate_errors(self.url):
            pages = obstore.list(self._clients.retrying, prefix=self._key(prefix), chunk_size=limit or 1000)
            # obstore gives a console's marker of the folder itself without the slash at its end
            items = (
                each for each in chain.from_iterable(pages) if each["path"].startswith(self._key(prefix))
            )
            for item in islice(items, limit):
                yield Object(item["path"][start:], item["size"], item["last_modified"])

    def list_folders(self, prefix: str) -> list[str]:
        import obstore

        with translate_errors(self.url):
            page = obstore.list_with_delimiter(self._clients.retrying, prefix=self._key(prefix) or None)
            return sorted(path.rstrip("/").rpartition("/")[2] for path in page["common_prefixes"])

    def delete(self, keys: Iterable[str]) -> None:
        import obstore

        with translate_errors(self.url):
            obstore.delete(self._clients.retrying, [self._key(key) for key in keys])

    def remove_interrupted_uploads(self, before: datetime) -> list[str]:
        bucket, prefix = self.location.bucket, self.location.prefix
        keys: list[str] = []
        with translate_errors(self.url):
            # some stores list no uploads for a prefix that is not a whole key
            for page in self._clients.boto.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
                for upload in page.get("Uploads", ()):
                    if upload["Key"].startswith(prefix) and upload["Initiated"] < before:
                        self._clients.boto.abort_multipart_upload(
                            Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        keys.append(upload["Key"].removeprefix(prefix))
        return keys

    def now(self) -> datetime:
        """The time at which `.clock` was put, as the store says (exact to a second), and the time since."""
        import obstore

        if self._clock is None:
            self.put(_CLOCK, b"")
            with translate_errors(self.url):
                put = obstore.head(self._clients.retrying, self._key(_CLOCK))["last_modified"]
            self._clock = put, time.monotonic()
        put, then = self._clock
        return put + timedelta(seconds=time.monotonic() - then)

    def _key(self, key: str) -> str:
        return self.location.prefix + key

    @cached_property
    def _clients(self) -> Clients:
        return Clients(self.location, self._credentials)


def _as_bytes(received: "Bytes") -> bytes:
    """obstore's bytes without a copy, which would take as long as to receive them."""
    return cast(bytes, received)
