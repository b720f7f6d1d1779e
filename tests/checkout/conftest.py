"""Repositories to check out, with a git that has no configuration of its own."""

import os
import subprocess
from pathlib import Path

import pytest

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        [*GIT, "-C", str(folder), *words], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with three commits on main, one more on a branch, and a tag."""
    root = tmp_path / "origin"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    for number in ("1", "2", "3"):
        (root / "file").write_text(number)
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", number)
    git(root, "tag", "second", "HEAD~1")
    git(root, "checkout", "--quiet", "-b", "team/branch")
    (root / "file").write_text("branch")
    git(root, "commit", "--quiet", "--all", "--message", "b")
    git(root, "checkout", "--quiet", "main")
    return root
