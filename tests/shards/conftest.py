"""A generation in shards on each kind of store."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from job.datasets import Datasets
from tests.shards.pods import QUESTIONS, Generation

FILES: dict[str, bytes] = {
    "a.txt": b"\xef\xbb\xbfOne\r\nTwo three\n\nFour",
    "b.jsonl": b'{"prompt": "x", "n": 3}\n{"prompt": "y", "id": "a"}\n{"prompt": "z", "id": "a"}\n',
    "c.txt.gz": gzip.compress("Fünf\nSix\n".encode()),
}


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test pulls the plug, so nothing has to reach the disk itself."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def prompts(make: Callable[..., Path]) -> Path:
    """Rows of three files: nine of them, one of which has an error, and 17 texts."""
    return make(FILES)


@pytest.fixture
def generate(prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Generation]:
    """Makes a run of shards in the store at a URL."""

    def made(url: str, count: int, **settings: object) -> Generation:
        datasets = Datasets.at(url)
        datasets.commit_version(QUESTIONS, prompts, lineage={})
        return Generation(datasets, tmp_path / "pods", count, monkeypatch, **settings)  # type: ignore[arg-type]

    return made
