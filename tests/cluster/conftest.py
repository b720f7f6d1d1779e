"""A recorded Workflow for tests without a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def failed_workflow() -> Any:
    """A Workflow get_ready → fails → after, as Argo 4.1.2 left it."""
    return json.loads((Path(__file__).parent / "recorded" / "failed.json").read_text("utf-8"))
