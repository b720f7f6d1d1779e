"""A model's folder to break."""

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def gpt2_copy(gpt2: Path, tmp_path: Path) -> Path:
    """A copy of the model for a test to change."""
    return Path(shutil.copytree(gpt2, tmp_path / "copy"))


def change_config(folder: Path, **changed: object) -> None:
    """Change values of the model's config.json."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changed))
