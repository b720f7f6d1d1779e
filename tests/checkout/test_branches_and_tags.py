"""A name that is a branch and a tag is the branch, as for git clone, git checkout and actions/checkout."""

import os
from pathlib import Path

import pytest

from argo.repository import resolve_commit
from job.checkout.checkout import checkout
from tests.git import git


@pytest.fixture
def commits(origin: Path) -> dict[str, str]:
    """The commit of each name. A tag `main` and a tag `team/branch` are the oldest."""
    oldest = git(origin, "rev-parse", "main~2")
    for name in ("main", "team/branch"):
        git(origin, "tag", name, oldest)
    return {
        "main": git(origin, "rev-parse", "refs/heads/main"),
        "team/branch": git(origin, "rev-parse", "refs/heads/team/branch"),
        "refs/tags/main": oldest,
        "tags/main": oldest,
        "heads/main": git(origin, "rev-parse", "refs/heads/main"),
        "second": git(origin, "rev-parse", "refs/tags/second"),
        oldest: oldest,
        oldest[:12]: oldest,
        "HEAD": git(origin, "rev-parse", "HEAD"),
    }


@pytest.mark.parametrize("single", ["true", "false"], ids=["one commit", "the whole repository"])
def test_a_checkout_takes_the_branch(
    commits: dict[str, str], origin: Path, tmp_path: Path, single: str
) -> None:
    git(origin, "config", "uploadpack.allowAnySHA1InWant", single)
    for number, (ref, commit) in enumerate(commits.items()):
        assert checkout(origin.as_uri(), ref, tmp_path / str(number), os.environ) == commit, ref


def test_a_branch_is_fetched_alone(commits: dict[str, str], origin: Path, tmp_path: Path) -> None:
    checkout(origin.as_uri(), "main", tmp_path / "new", os.environ)
    assert git(tmp_path / "new", "rev-list", "--count", "HEAD") == "1"


def test_a_run_of_a_ref_takes_the_branch(commits: dict[str, str], origin: Path) -> None:
    for ref, commit in commits.items():
        assert resolve_commit(origin, ref) == commit, ref


def test_a_branch_that_looks_like_a_commit_is_not_one(origin: Path) -> None:
    commit = git(origin, "rev-parse", "main~1")
    git(origin, "update-ref", f"refs/heads/{commit}", "main")
    assert resolve_commit(origin, commit) == commit
