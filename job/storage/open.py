"""Which store a URL names."""

from typing import TYPE_CHECKING

from job.errors import InputError
from job.storage.store import Store

if TYPE_CHECKING:
    from job.storage.s3.location import Credentials


def open_store(url: str, credentials: "Credentials | None" = None) -> Store:
    """The store at `file:///path` or `s3://bucket/prefix?endpoint=…`.

    Without `credentials`, an S3 store looks for them as boto3 does. Raises InputError for any other URL.
    """
    scheme, _, _ = url.partition(":")
    if scheme == "s3":
        from job.storage.s3.bucket import S3

        return S3.at(url, credentials)
    if scheme == "file":
        from job.storage.directory import Directory

        return Directory.at(url)
    raise InputError(f"not a dataset store: {url!r}; write file:///path or s3://bucket/prefix")
