"""git as tests call it: with an author, without signatures, and if asked for without configuration."""

import os
import subprocess
from pathlib import Path

import pytest

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    """What a command in the folder prints."""
    done = subprocess.run([*GIT, "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def committed(folder: Path) -> str:
    """Commit all files of the folder, which becomes a repository if it is none; returns the commit."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=x")
    return git(folder, "rev-parse", "HEAD")


def add_submodule(folder: Path, url: str, name: str) -> None:
    """Add the repository at `url`, which may be on this machine, as the submodule `name`, uncommitted."""
    git(folder, "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", url, name)


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's or the user's configuration, in every folder whose conftest.py has this."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
