"""Which files of rows there are, and their lines."""

import gzip
import os
import time
from pathlib import Path

import pytest
from backports import zstd

from job.errors import PromptError
from job.generate.prompts import files
from job.generate.prompts.files import digest_files, find_files, read_lines


def names(prompts: object) -> list[str]:
    return [file.name for file in find_files(str(prompts))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.JSONL", "c.parquet", "d.jsonl.gz", "E.Txt.ZST", "x/a.jsonl", "x/y/a.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'{"prompt": "one"}\n')
    return tmp_path


def test_a_folder_s_files_come_in_the_order_of_their_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert names(folder) == ["E.Txt.ZST", "a.JSONL", "b.txt", "c.parquet", "d.jsonl.gz"]
    assert capsys.readouterr().err.endswith(" are read, and not x\n")


def test_a_folder_s_other_files_are_named_and_its_hidden_ones_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.txt", "._a.txt", ".hidden.jsonl", ".DS_Store", "d.json", "e.csv", "f.parquet.gz", "gz"):
        (tmp_path / name).write_bytes(b"one\n")
    assert names(tmp_path) == ["a.txt"]
    assert capsys.readouterr().err == (
        f"{tmp_path}: only .txt, .jsonl and .parquet files, and .txt and .jsonl ones as .gz or .zst, "
        "are read, and not d.json, e.csv, f.parquet.gz, gz\n"
    )


def test_a_name_that_is_not_utf_8_is_written_with_escapes(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"a\xff.txt")
    file.write_text("one\n")
    for prompts in (file, tmp_path, tmp_path / "*.txt"):
        (found,) = find_files(str(prompts))
        assert (found.path, found.name) == (file, r"a\xff.txt")
        assert str(found) == rf"{tmp_path}/a\xff.txt"
    assert digest_files([found])


def test_a_pipe_with_a_name_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.txt")
    with pytest.raises(PromptError, match=r"prompts must be \.txt, \.jsonl or \.parquet files"):
        find_files(str(tmp_path / "p.txt"))


def test_many_files_take_no_time(tmp_path: Path) -> None:
    for number in range(20_000):
        (tmp_path / f"{number}.txt").touch()
    started = time.thread_time()
    assert len(names(tmp_path)) == 20_000
    assert time.thread_time() - started < 20  # a comparison of each with each takes a minute


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["b.txt"]),
        ("[ab].*", ["a.JSONL", "b.txt"]),
        ("*/a.jsonl", ["x/a.jsonl"]),
        ("**/a.jsonl", ["x/a.jsonl", "x/y/a.jsonl"]),
        ("x*", ["x/a.jsonl"]),
        ("x/**", ["a.jsonl", "y/a.jsonl"]),
    ],
)
def test_a_pattern_names_files_and_folders_below_its_own(
    folder: Path, pattern: str, expected: list[str]
) -> None:
    assert names(folder / pattern) == expected


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "[a].txt").write_text("one")
    (tmp_path / "a.txt").write_text("two")
    assert names(tmp_path / "[a].txt") == ["[a].txt"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("p.txt", "no such file or folder of prompts$"),
        ("*.text", "no file has such a name; quote the pattern"),
        ("x.md", r"prompts must be \.txt, \.jsonl or \.parquet files$"),
        ("empty", r"prompts must be \.txt, \.jsonl or \.parquet files$"),
    ],
)
def test_a_place_without_rows_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "x.md").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(PromptError, match=message):
        find_files(str(tmp_path / name))


def lines(path: Path) -> list[bytes]:
    return [line for file in find_files(str(path)) for line in read_lines(file)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"one", [b"one"]),
        (b"one\n", [b"one"]),
        (b"\n\n", [b"", b""]),
        (
            b"\xef\xbb\xbfone \r\ntwo\xe2\x80\xa8still\x0c\nthree",
            [b"one ", b"two\xe2\x80\xa8still\x0c", b"three"],
        ),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_only_a_newline_ends_a_line(
    tmp_path: Path, content: bytes, expected: list[bytes], suffix: str
) -> None:
    path = tmp_path / f"p.txt{suffix}"
    if suffix == ".zst":
        content = zstd.compress(content)
    path.write_bytes(gzip.compress(content) if suffix == ".gz" else content)
    assert lines(path) == expected


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_that_is_cut_off_or_damaged_says_after_which_line(
    tmp_path: Path, suffix: str
) -> None:
    compress = gzip.compress if suffix == ".gz" else zstd.compress
    path = tmp_path / f"p.txt{suffix}"
    whole = compress(b"".join(b"%d\n" % number for number in range(200_000)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PromptError, match=r"p\.txt\.\w+: cut off after line \d\d+; write the file again"):
        lines(path)
    path.write_bytes(b"no such thing")
    with pytest.raises(PromptError, match="damaged"):
        lines(path)


def test_where_no_library_reads_zst_the_message_says_which_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_ZSTD", ("no_such_library",))
    (tmp_path / "p.txt.zst").touch()
    with pytest.raises(PromptError, match=r"p\.txt\.zst: .* run: pip install backports\.zstd"):
        lines(tmp_path / "p.txt.zst")


def test_a_file_that_is_one_endless_line_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_LINE", 2**20)
    path = tmp_path / "p.txt"
    path.write_bytes(b"one\n" + b"x" * 2**20)
    assert len(lines(path)[1]) == 2**20
    path.write_bytes(b"one\n" + b"x" * (2**20 + 1))
    with pytest.raises(PromptError, match=r"p\.txt:2: longer than 1 MiB; is it one row\?"):
        lines(path)


def test_a_digest_tells_of_names_and_bytes(tmp_path: Path) -> None:
    digests = set()
    for name, content in (("a.txt", "one"), ("a.txt", "two"), ("b.txt", "one")):
        (tmp_path / name).write_text(content)
        digests.add(digest_files(find_files(str(tmp_path / name))))
    (tmp_path / "a.txt").write_text("one")
    assert len(digests) == 3
    assert digest_files(find_files(str(tmp_path / "a.txt"))) in digests
