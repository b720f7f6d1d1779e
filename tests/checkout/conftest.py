"""Repositories to check out, with a git that has no configuration of its own."""

from pathlib import Path

import pytest

from tests.git import committed, git, no_configuration

__all__ = ["no_configuration"]


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with three commits on main, one more on a branch, and a tag."""
    root = tmp_path / "origin"
    root.mkdir()
    for number in ("1", "2", "3"):
        (root / "file").write_text(number)
        committed(root)
    git(root, "tag", "second", "HEAD~1")
    git(root, "checkout", "--quiet", "-b", "team/branch")
    (root / "file").write_text("branch")
    committed(root)
    git(root, "checkout", "--quiet", "main")
    return root
