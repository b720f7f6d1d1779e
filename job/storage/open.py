"""Which store to open: by its URL, or the one of the project that holds a folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from job.errors import InputError
from job.storage.store import Store

if TYPE_CHECKING:
    from job.storage.s3.location import Credentials

VARIABLE = "TEXTGEN_STORE"


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


def project_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds `.textgen` or `.git`; `start` if there is none."""
    folder = start.resolve()
    parents = (folder, *folder.parents)
    return next((p for p in parents if any((p / name).exists() for name in (".textgen", ".git"))), folder)


def default_url(start: Path, environment: Mapping[str, str] = os.environ) -> str:
    """TEXTGEN_STORE, else `.textgen/datasets` of the project that holds `start`."""
    return environment.get(VARIABLE) or (project_root(start) / ".textgen" / "datasets").as_uri()
