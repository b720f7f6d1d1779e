"""What a job has put in the place of a file is not followed, not waited for, and refused in one line."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from job import untrusted_files
from job.errors import CommitError
from job.untrusted_files import DEEPEST, UntrustedPath, copy_tree
from tests.hostile import attempts, deep_tree, swapping

CONTENT = "not the job's"


@pytest.fixture
def outputs(tmp_path: Path) -> UntrustedPath:
    """An output `/outputs/data`, beside a folder with a secret that the job can't read."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text(CONTENT)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    return UntrustedPath.at(tmp_path / "data", "/outputs/data")


def folder(path: UntrustedPath) -> Path:
    return path.root.joinpath(*path.parts)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, inside(path.parent):
        server.bind(path.name)


@contextmanager
def inside(path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


def make_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.symlink_to("../../outside/file"), "a link, which is not followed"),
        (lambda path: path.symlink_to("/dev/zero"), "a link, which is not followed"),
        (os.mkfifo, "not a regular file"),
        (Path.mkdir, "not a regular file"),
        (make_socket, "not a regular file"),
        (make_sparse, "over 1 KiB; use a volume"),
    ],
    ids=["link", "device", "pipe", "folder", "socket", "sparse"],
)
def test_only_a_regular_file_of_bounded_size_is_read(
    outputs: UntrustedPath, make: Callable[[Path], None], reason: str
) -> None:
    make(folder(outputs) / "deep" / "file")
    with pytest.raises(CommitError) as raised:
        outputs.joinpath("deep/file").read(1024)
    assert str(raised.value) == f"/outputs/data/deep/file: {reason}"


@pytest.mark.parametrize("above", ["data", "data/deep"])
def test_no_part_of_a_path_is_a_link(outputs: UntrustedPath, tmp_path: Path, above: str) -> None:
    shutil.rmtree(tmp_path / above)
    (tmp_path / above).symlink_to(tmp_path / "outside")
    inner = "file" if above == "data" else "deep/file"
    with pytest.raises(CommitError, match=f"^/outputs/data/{inner}: a part of the path is not a folder$"):
        outputs.joinpath(inner).read(1024)


def test_a_hard_link_is_a_file(outputs: UntrustedPath) -> None:
    (folder(outputs) / "one").write_text("1")
    os.link(folder(outputs) / "one", folder(outputs) / "two")
    assert outputs.joinpath("two").read(1024) == b"1"


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80"], ids=["byte", "surrogate"])
def test_a_string_that_is_not_utf_8_is_refused(outputs: UntrustedPath, text: bytes) -> None:
    (folder(outputs) / "text").write_bytes(text)
    with pytest.raises(CommitError, match=r"^/outputs/data/text: not UTF-8; use a volume$"):
        outputs.joinpath("text").read_string()


def test_a_name_in_a_message_is_one_line(outputs: UntrustedPath) -> None:
    name = os.fsdecode(b"a\n\x1b[2J\xff")
    os.mkfifo(folder(outputs) / name)
    with pytest.raises(CommitError) as raised:
        outputs.joinpath(name).read(1024)
    assert str(raised.value) == r"/outputs/data/a\n\x1b[2J\udcff: not a regular file"


def test_a_tree_that_is_too_deep_is_one_line_and_can_be_removed(outputs: UntrustedPath) -> None:
    with deep_tree(folder(outputs)), pytest.raises(CommitError) as raised:
        list(outputs.walk())
    assert str(raised.value).endswith(
        f": more than {DEEPEST} folders in one another; store it as one archive"
    )
    assert str(raised.value).startswith("/outputs/data/d/d/d")
    assert len(str(raised.value)) < 200
    assert not folder(outputs).exists()


def test_too_many_files_are_one_line(outputs: UntrustedPath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("job.untrusted_files.MOST_ENTRIES", 10)
    for number in range(11):
        (folder(outputs) / str(number)).touch()
    with pytest.raises(CommitError, match=r"^/outputs/data: over 10 files; store them as one archive$"):
        list(outputs.walk())


def test_a_walk_never_enters_a_link_that_takes_a_folders_place(
    outputs: UntrustedPath, tmp_path: Path
) -> None:
    (folder(outputs) / "deep" / "own").touch()
    entered: list[bool] = []
    with swapping(folder(outputs) / "deep", tmp_path / "outside"):
        for _ in attempts(2000, lambda: any(entered)):
            with suppress(CommitError):
                paths = [entry.path for entry in outputs.walk()]
                assert "deep/file" not in paths
                entered.append("deep/own" in paths)
    assert any(entered)


def test_a_copy_never_writes_through_a_link_that_takes_a_folders_place(
    outputs: UntrustedPath, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    for number in range(20):
        (source / "deep" / str(number)).write_text("new")
    copied: list[int] = []
    with swapping(folder(outputs) / "deep", tmp_path / "outside"):
        for attempt in attempts(300, lambda: bool(copied)):
            with suppress(CommitError):
                copy_tree(UntrustedPath.at(source), outputs)
                copied.append(attempt)
    assert copied
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["file"]


def test_a_copy_never_writes_through_a_link_that_takes_a_files_place(
    outputs: UntrustedPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the removal of what was there and the new file."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("new")
    remove = untrusted_files._remove

    def remove_and_link(parent: int, name: str) -> None:
        remove(parent, name)
        os.symlink(tmp_path / "outside" / "file", name, dir_fd=parent)

    monkeypatch.setattr(untrusted_files, "_remove", remove_and_link)
    with pytest.raises(CommitError, match=r"^/outputs/data/file: "):
        copy_tree(UntrustedPath.at(source), outputs)
    assert (tmp_path / "outside" / "file").read_text() == CONTENT


def test_a_copy_replaces_links_and_files_and_fills_folders(outputs: UntrustedPath, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_text("new")
    (source / "deep" / "file").chmod(0o4755)
    (source / "link").symlink_to("/nowhere")
    os.mkfifo(source / "pipe")
    (folder(outputs) / "deep" / "file").symlink_to(tmp_path / "outside" / "file")
    (folder(outputs) / "deep" / "other").write_text("other")
    copy_tree(UntrustedPath.at(source), outputs)
    assert (tmp_path / "outside" / "file").read_text() == CONTENT
    assert (folder(outputs) / "deep" / "file").read_text() == "new"
    assert (folder(outputs) / "deep" / "file").stat().st_mode & 0o7777 == 0o755
    assert (folder(outputs) / "deep" / "other").read_text() == "other"
    assert (folder(outputs) / "link").readlink() == Path("/nowhere")
    assert not (folder(outputs) / "pipe").exists()


def test_a_copy_below_a_link_is_refused(outputs: UntrustedPath, tmp_path: Path) -> None:
    (folder(outputs) / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(CommitError, match=r"^/outputs/data/link/new: a part of the path is not a folder$"):
        copy_tree(UntrustedPath.at(tmp_path / "data" / "deep"), outputs.joinpath("link/new"))
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["file"]


def test_a_copy_keeps_holes(outputs: UntrustedPath, tmp_path: Path) -> None:
    make_sparse(tmp_path / "sparse")
    with (tmp_path / "sparse").open("r+b") as file:
        file.seek(1 << 30)
        file.write(b"middle")
    copy_tree(UntrustedPath.at(tmp_path / "sparse"), outputs.joinpath("sparse"))
    copy = folder(outputs) / "sparse"
    assert copy.stat().st_size == 1 << 40
    assert copy.stat().st_blocks < 1 << 10
    with copy.open("rb") as file:
        file.seek(1 << 30)
        assert file.read(6) == b"middle"
