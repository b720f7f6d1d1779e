"""Parts of what is under a key."""

from pathlib import Path

import pytest

from job.storage.directory import Directory
from job.storage.open import open_store
from job.storage.store import Store
from tests.storage.servers import on_every_server

BODY = bytes(range(251)) * 70_000  # 17 MiB: more than is received as one stream
RANGES = [
    (0, 0),
    (0, 1),
    (5, 5),
    (7, 3),
    (3, 2 << 20),
    (1, len(BODY) - 1),
    (len(BODY) - 1, len(BODY)),
    (9, None),
]


@pytest.fixture
def directory(tmp_path: Path) -> Store:
    return Directory(tmp_path)


def check(store: Store) -> None:
    store.put("a/key", BODY)
    for start, end in RANGES:
        assert b"".join(store.read("a/key", start, end)) == BODY[start:end]


def test_a_range_of_a_file_is_read(directory: Store) -> None:
    check(directory)


@on_every_server
def test_a_range_of_an_object_is_read(s3: str) -> None:
    check(open_store(s3))
