"""A recorded Workflow for tests without a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def failed_workflow() -> Any:
    """A Workflow get_ready → fails → after, as Argo 4.1.2 left it."""
    return json.loads((RECORDED / "failed.json").read_text("utf-8"))


@pytest.fixture
def failed_generation() -> Any:
    """A Workflow of a generation of 64 texts in four shards, which all failed, as Argo 4.1.2 left it."""
    return json.loads((RECORDED / "failed_generation.json").read_text("utf-8"))
