import os
import unicodedata
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.datasets import DatasetRef, Datasets
from job.errors import CommitError
from job.storage.paths import LONGEST_NAME, LONGEST_PATH, find_collisions, find_overlapping, find_problem

Make = Callable[..., Path]

BAD = {
    "/etc/passwd": "absolute",
    "../x": "'..'",
    "a/../../x": "'..'",
    "a//b": "empty part",
    "a/./b": "empty part",
    "": "empty part",
    "a/": "empty part",
    "a\nb": "control character",
    "a\tb": "control character",
    "a\x00b": "control character",
    "a\udcffb": "not UTF-8",
    "x" * (LONGEST_NAME + 1): "parts is longer",
    "/".join(["x" * 100] * 9): f"longer than {LONGEST_PATH}",
}


@pytest.mark.parametrize("path", BAD)
def test_an_unsafe_path_is_named_with_its_fault(path: str) -> None:
    assert BAD[path] in (find_problem(path) or "")


@given(st.text(max_size=40) | st.text(st.sampled_from("a./~ \\"), max_size=12))
def test_a_path_that_is_let_through_stays_inside(path: str) -> None:
    if find_problem(path) is None:
        assert os.path.normpath(path) == path
        assert not PurePosixPath(path).is_absolute()
        assert (Path("/root") / path).resolve().is_relative_to("/root")


def test_paths_that_are_one_file_elsewhere_are_found() -> None:
    composed, apart = "é", unicodedata.normalize("NFD", "é")
    assert find_collisions(["a", "A", "b", composed, apart, "STRASSE", "straße"]) == [
        ("A", "a"),
        ("STRASSE", "straße"),
        (apart, composed),
    ]


def test_a_file_that_is_also_a_folder_is_found() -> None:
    assert find_overlapping(["a", "b/c", "a.b", "a/b/c", "b/c"]) == ["a", "b/c"]


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
