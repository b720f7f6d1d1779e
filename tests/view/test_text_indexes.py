"""Indexes that are made while a page is shown: nobody waits for one that can't be made."""

from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from argo.runs import now
from argo.texts.index import Index, open_index
from argo.view import text_indexes
from argo.view.runs import Runs
from argo.view.sources import Sources
from argo.view.text_indexes import TextIndexes
from argo.view.texts import Texts, read_texts
from job.datasets import DatasetRef, Datasets, Version
from tests.cluster.kubernetes import until
from tests.view.site import Site, generated, row


def test_a_search_waits_for_the_words(project: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    may_make_words = Event()

    def open_late(*values: Any, search: bool = False, **options: Any) -> AbstractContextManager[Index]:
        assert not search or may_make_words.wait(60)
        return open_index(*values, search=search, **options)

    monkeypatch.setattr(text_indexes, "open_index", open_late)
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.cache))
    name = project.commit("texts", "texts", generated([row("a", " a king"), row("b", " a king, a queen")]))
    sources = Sources(project.datasets, Runs(None))
    version = sources.datasets.resolve(DatasetRef.parse(name))

    def read(query: str) -> Texts:
        return read_texts(sources, version, sources.datasets.manifest(version), QueryParams(query))

    until(lambda: read("").figures, "the figures", 60)
    assert read("q=queen+king").total is None
    may_make_words.set()
    assert until(lambda: read("q=queen+king").total, "the search", 60) == 1


def test_an_error_that_nobody_expects_ends_the_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    indexes = TextIndexes(Datasets.at(tmp_path.as_uri()))
    no_file_name = "\ud800"
    version = Version(DatasetRef("a"), now(), "", None, 1, 1, no_file_name)
    with pytest.raises(UnicodeEncodeError):
        assert indexes.make(version).has_rows.wait(60)
        indexes.make(version)
