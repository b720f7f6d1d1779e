"""Versions of texts in a store, and a cache of the test's own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets, Version

Commit = Callable[..., Version]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that indexes are made in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/textgen/texts"


@pytest.fixture
def datasets(folder: str) -> Datasets:
    return Datasets.at(folder)


@pytest.fixture
def commit(datasets: Datasets, make: Callable[..., Path]) -> Commit:
    """Commits a version of rows (or of the bytes of outputs.jsonl), and of what run.json has."""

    def committed(rows: list[Mapping[str, object]] | bytes, record: object = None) -> Version:
        body = rows if isinstance(rows, bytes) else b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        files = {"outputs.jsonl": body} | ({} if record is None else {"run.json": json.dumps(record)})
        return datasets.commit_version(DatasetRef("demo"), make(files), lineage={})

    return committed


def row(name: str = "a", text: str = "Hello", sequence: int = 1, **fields: object) -> dict[str, object]:
    """A row as textgen writes it, with the prompt `Say:`."""
    prompt = str(fields.pop("prompt", "Say:"))
    return {
        "id": name,
        "prompt": prompt,
        "sequence": sequence,
        "text": f"{prompt} {text}",
        "prompt_tokens": 2,
        "new_tokens": len(text.split()),
        "finish_reason": "stop",
        **fields,
    }
