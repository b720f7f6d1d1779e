"""Which store to open: from its URL, or the one of the project around a folder."""

import os
from collections.abc import Mapping
from pathlib import Path

from job.errors import InputError
from job.storage.store import Store

VARIABLE = "TEXTGEN_STORE"


def open_store(url: str) -> Store:
    """The store at `file:///path` or `s3://bucket/prefix?endpoint=…`.

    Raises InputError for any other kind of URL.
    """
    scheme, _, _ = url.partition(":")
    if scheme == "s3":
        from job.storage.s3.bucket import S3

        return S3.at(url)
    if scheme == "file":
        from job.storage.directory import Directory

        return Directory.at(url)
    raise InputError(f"not a dataset store: {url!r}; write file:///path or s3://bucket/prefix")


def project_root(start: Path) -> Path:
    """The nearest folder upwards with `.textgen` or `.git` in it; `start` where there is none."""
    folder = start.resolve()
    parents = (folder, *folder.parents)
    return next((each for each in parents if any((each / n).exists() for n in (".textgen", ".git"))), folder)


def default_url(start: Path, environment: Mapping[str, str] = os.environ) -> str:
    """TEXTGEN_STORE, else `.textgen/datasets` of the project that holds `start`."""
    return environment.get(VARIABLE) or (project_root(start) / ".textgen" / "datasets").as_uri()
