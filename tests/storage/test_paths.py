import os
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.storage.paths import LONGEST_NAME, LONGEST_PATH, find_collisions, find_overlapping, find_problem

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
