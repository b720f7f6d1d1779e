"""Locks between processes, and writes that are whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest

from job.files import locked, write_atomically

HOLD = """
import pathlib, sys
from job.files import locked
with locked(pathlib.Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("locked", flush=True)
    sys.stdin.read()
"""

DIE_AFTER_ONE_CHUNK = """
import os, pathlib, signal, sys
from job.files import write_atomically
def chunks():
    yield b"new" * 100_000
    os.kill(os.getpid(), signal.SIGKILL)
write_atomically(pathlib.Path(sys.argv[1]), chunks())
"""


@pytest.fixture(params=["file", "folder"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "path"
    path.touch() if request.param == "file" else path.mkdir()
    return path


@contextmanager
def locked_elsewhere(path: Path, kind: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock; the lock is released with its standard input."""
    command = [sys.executable, "-c", HOLD, str(path), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        yield process


def try_to_lock(path: Path, shared: bool = False) -> None:
    with locked(path, shared=shared, blocking=False):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(OSError, match=f"this file system has no locks .*; use a folder .*{path}") as raised:
        try_to_lock(path)
    assert raised.value.errno == number


def test_an_exclusive_lock_excludes_every_other_process(path: Path) -> None:
    with locked_elsewhere(path, "exclusive"):
        for shared in (False, True):
            with pytest.raises(BlockingIOError):
                try_to_lock(path, shared)
    try_to_lock(path)


def test_a_shared_lock_excludes_exclusive_ones_only(path: Path) -> None:
    with locked_elsewhere(path, "shared"):
        try_to_lock(path, shared=True)
        with pytest.raises(BlockingIOError):
            try_to_lock(path)


def test_a_blocking_lock_waits_for_the_other_process(path: Path) -> None:
    with locked_elsewhere(path, "exclusive") as process:
        assert process.stdin
        timer = Timer(0.2, process.stdin.close)
        timer.start()
        with locked(path):
            assert process.wait(60) == 0
        timer.join()


def test_a_killed_process_loses_its_lock(path: Path) -> None:
    with locked_elsewhere(path, "exclusive") as process:
        process.kill()
        process.wait()
        try_to_lock(path)


def test_a_path_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        try_to_lock(tmp_path / "path")
    assert not list(tmp_path.iterdir())


def test_a_written_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    write_atomically(path, [b"new ", b"text"])
    assert path.read_text() == "new text"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    ran = subprocess.run([sys.executable, "-c", DIE_AFTER_ONE_CHUNK, str(path)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_atomically(path, [b"new"])
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"file": "new"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_the_old_file_alone(tmp_path: Path, error: BaseException) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"new"
        raise error

    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(type(error)):
        write_atomically(path, chunks())
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"file": "old"}


@pytest.mark.parametrize("name", ["folder/file", "taken", "."])
def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError) as raised:
        write_atomically(tmp_path / name, [b"new"])
    assert raised.value.filename == str(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(("number", "raises"), [(22, False), (5, True)])
def test_a_folder_that_can_t_be_flushed_is_no_error_but_a_broken_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raises: bool
) -> None:
    fsync: Callable[[int], None] = os.fsync

    def refuse(descriptor: int) -> None:
        if os.path.isdir(descriptor):  # noqa: PTH112 - a descriptor, no path
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    if raises:
        with pytest.raises(OSError, match="Input/output error"):
            write_atomically(tmp_path / "file", [b"new"])
    else:
        write_atomically(tmp_path / "file", [b"new"])
    assert (tmp_path / "file").read_text() == "new"


def test_a_file_is_flushed_before_it_replaces_the_old_one_and_its_folder_after(
    tmp_path: Path, disk_calls: list[str]
) -> None:
    (tmp_path / "file").write_text("old")
    write_atomically(tmp_path / "file", [b"new"])
    assert disk_calls == [f"sync {tmp_path}/.file.partial 3", f"move to {tmp_path}/file", f"sync {tmp_path}"]
