"""Datasets on each kind of store, and processes that a test may kill."""

import multiprocessing
import os
from datetime import UTC, datetime
from multiprocessing.context import ForkServerContext

import pytest

from job.datasets import Datasets, Producer, layout
from job.datasets.history import Entry, Kind


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test pulls the plug, so nothing has to reach the disk itself."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store, of each kind."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def datasets(url: str) -> Datasets:
    return Datasets.at(url)


@pytest.fixture(scope="session")
def processes(credentials: None) -> ForkServerContext:
    """Where processes come from that a test may kill: quick, and with no threads of this one's."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["job.storage.s3.bucket", "boto3", "obstore", "tests.datasets.writers"])
    return context


def entry(
    kind: Kind, version: str | None = None, tag: str | None = None, producer: Producer | None = None
) -> Entry:
    return Entry(layout.new_id(), kind, datetime.now(UTC), version, tag, producer=producer)
