"""Indexes that are made while a page is shown: nobody waits for one that can't be made."""

from pathlib import Path

import pytest

from argo.runs import now
from argo.view.text_indexes import TextIndexes
from job.datasets import DatasetRef, Datasets, Version


def test_an_error_that_nobody_expects_ends_the_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    indexes = TextIndexes(Datasets.at(tmp_path.as_uri()))
    no_file_name = "\ud800"
    version = Version(DatasetRef("a"), now(), "", None, 1, 1, no_file_name)
    with pytest.raises(UnicodeEncodeError):
        assert indexes.make(version).has_rows.wait(30)
        indexes.make(version)
