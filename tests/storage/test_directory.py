"""A store in a folder, while other processes change it."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from job.storage.directory import Directory


def test_a_folder_that_vanishes_as_another_is_made_in_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Directory(tmp_path / "s")
    original = Path.mkdir

    def mkdir(path: Path, *args: Any, **kwargs: Any) -> None:
        if path.name == "data":
            monkeypatch.setattr(Path, "mkdir", original)
            path.parent.rmdir()  # as a delete does to an empty one
        original(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    store.put("default/demo/data/x", b"x")
    assert store.get("default/demo/data/x") == b"x"


def test_a_temporary_file_that_vanishes_does_not_end_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Directory(tmp_path / "s")
    left = [tmp_path / "s" / ".tmp" / name for name in "abc"]
    left[0].parent.mkdir(parents=True)
    for path in left:
        path.write_bytes(b"half")
    status, calls = Path.stat, iter([True])

    def stat(path: Path, **kwargs: Any) -> os.stat_result:
        if path in left and next(calls, False):
            path.unlink()
        return status(path, **kwargs)

    monkeypatch.setattr(Path, "stat", stat)
    assert len(store.remove_interrupted_uploads(store.now() + timedelta(days=1))) == 2
    assert list(left[0].parent.iterdir()) == []


def test_a_value_is_on_the_disk_with_all_the_folders_that_were_made_for_it(
    tmp_path: Path, flushed: list[str]
) -> None:
    store = Directory(tmp_path / "s")
    store.put("default/demo/x", b"x")
    temporary, *folders = flushed
    assert temporary.startswith(f"{tmp_path}/s/.tmp/")
    assert {str(tmp_path / "s"), str(tmp_path / "s/default"), str(tmp_path / "s/default/demo")} <= {*folders}
    assert folders[-1] == str(tmp_path / "s/default/demo")
