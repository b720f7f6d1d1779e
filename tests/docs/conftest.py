"""A copy of the repository for the commands of a page to run in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, environment
from tests.git import git


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with this one's files and a commit, and the environment of these tests as its .venv."""
    copy = tmp_path / "textgen"
    for name in filter(None, git(ROOT, "ls-files", "-zco", "--exclude-standard").split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
            os.utime(copy / name, (0, 0))  # older than the environment, so that make does not set it up again
    (copy / ".venv").symlink_to(ROOT / ".venv")
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Everything"]):
        subprocess.run(["git", *arguments], cwd=copy, check=True, env=environment(tmp_path))
    return copy
