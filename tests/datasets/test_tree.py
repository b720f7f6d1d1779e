"""Which files, links and names a version can't hold."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets
from job.errors import CommitError

Make = Callable[..., Path]


@pytest.mark.parametrize("name", ["new\nline", os.fsdecode(b"\xff")])
def test_an_unsafe_name_is_not_committed(folder: str, demo: DatasetRef, make: Make, name: str) -> None:
    with pytest.raises(CommitError, match="can't be stored: its name"):
        Datasets.at(folder).commit_version(demo, make({"a": "1", name: "2"}), lineage={})


def test_names_that_differ_by_case_are_kept_and_said(
    folder: str, demo: DatasetRef, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    version = Datasets.at(folder).commit_version(demo, make({"README": "1", "readme": "2"}), lineage={})
    assert version.files == 2
    assert "README, readme: one file where case does not count" in caplog.text


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "deep/../../x", "INSIDE"])
def test_a_link_that_leads_out_is_refused(folder: str, demo: DatasetRef, make: Make, target: str) -> None:
    source = make({"a": "1"})
    (source / "link").symlink_to(str(source / "a") if target == "INSIDE" else target)
    with pytest.raises(CommitError, match="'link' can't be stored: the link leads out of the version"):
        Datasets.at(folder).commit_version(demo, source, lineage={})


def test_a_link_that_leads_out_by_another_is_refused(folder: str, demo: DatasetRef, make: Make) -> None:
    source = make({"p/q/f": "1"})
    (source / "p/q/up").symlink_to("../..")
    (source / "out").symlink_to("p/q/up/..")
    with pytest.raises(CommitError, match="'out' can't be stored: the link leads out"):
        Datasets.at(folder).commit_version(demo, source, lineage={})


def test_a_pipe_is_not_committed(folder: str, demo: DatasetRef, make: Make) -> None:
    source = make()
    os.mkfifo(source / "pipe")
    with pytest.raises(CommitError, match="'pipe' can't be stored: it is neither a file"):
        Datasets.at(folder).commit_version(demo, source, lineage={})
