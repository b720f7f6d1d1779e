"""A store in a folder, while other processes change it."""

import os
from collections.abc import Callable
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


def test_a_folder_that_another_makes_and_a_delete_removes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Directory(tmp_path / "s")
    original = Path.mkdir

    def mkdir(path: Path, *args: Any, **kwargs: Any) -> None:
        if path.name != "data":
            return original(path, *args, **kwargs)
        monkeypatch.setattr(Path, "mkdir", original)
        original(path)
        with monkeypatch.context() as patch:  # pathlib looks again when a folder exists already
            patch.setattr(Path, "is_dir", lambda path: path.rmdir())
            try:
                return original(path, *args, **kwargs)
            except FileExistsError:
                if path.exists():
                    path.rmdir()
                raise

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


@pytest.mark.parametrize("write", [Directory.put, Directory.put_if_absent])
def test_a_value_is_on_the_disk_before_its_name_and_then_all_folders_that_were_made_for_it(
    tmp_path: Path, disk_calls: list[str], write: Callable[[Directory, str, bytes], object]
) -> None:
    root = tmp_path / "s"
    write(Directory(root), "default/demo/x", b"value")
    temporary, move, *folders = disk_calls
    assert temporary.startswith(f"sync {root}/.tmp/")
    assert temporary.endswith(" 5")
    assert move == f"move to {root}/default/demo/x"
    assert {f"sync {root}", f"sync {root}/default"} <= {*folders[:-1]}
    assert folders[-1] == f"sync {root}/default/demo"
