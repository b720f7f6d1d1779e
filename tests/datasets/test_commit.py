import os
import string
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Semaphore

import pytest

from job.datasets import DatasetRef, Datasets, Producer
from job.errors import CommitError, InputError, StoreError, UnknownReferenceError
from job.storage.store import Store
from tests.storage.proxy import Proxy
from tests.storage.servers import WHICH, on_every_server

Make = Callable[..., Path]


def contents(root: Path) -> dict[str, object]:
    """What is below a folder: bytes and mode of files, targets of links, modes of empty folders."""
    entries: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            entries[name] = path.readlink()
        elif path.is_file():
            entries[name] = path.read_bytes(), path.stat().st_mode & 0o777
        elif not any(path.iterdir()):
            entries[name] = path.stat().st_mode & 0o777
    return entries


def test_a_version_comes_back_as_it_was(
    datasets: Datasets, demo: DatasetRef, make: Make, tmp_path: Path
) -> None:
    source = make(
        {"a": "1", "deep/er/b.bin": os.urandom(100), "none": "", "deep/x y#%é?&": "odd", "..z": "z"}
    )
    (source / "a").chmod(0o750)
    (source / "empty").mkdir(mode=0o711)
    (source / "deep/link").symlink_to("../a")
    (source / "deep/here").symlink_to("er")
    (source / "dangling").symlink_to("nowhere")

    version = datasets.commit_version(demo, source, lineage={"seed": 7}, message="first")
    datasets.fetch(version, tmp_path / "out")

    assert contents(tmp_path / "out") == contents(source)
    assert (version.files, version.size, version.message) == (5, 105, "first")
    assert datasets.manifest(version).lineage == {"seed": 7}
    assert datasets.resolve(demo) == version
    assert [str(dataset) for dataset in datasets.datasets()] == ["demo"]


SIGNS = [f"a{sign}b" for sign in string.punctuation.replace("/", "")]
WORDS = [
    "--help",
    ".hidden",
    "..a",
    "a..",
    "...",
    "dot.",
    "%2F",
    "%00",
    "%zz",
    "$(x)",
    "{{x}}",
    "~user",
    "con",
]
SPACES = ["a b", " first", "last ", "no\u00a0break", "\u200bzero width", "\ufeffmark", "\u202eright to left"]
LETTERS = ["é", "e\u0301", "日本語", "\U0001f600", "x" * 255]
LIKE_OURS = ["data", "manifest.json", "log/1.json"]
ODD_NAMES = SIGNS + WORDS + SPACES + LETTERS + LIKE_OURS


@on_every_server
def test_files_with_odd_names_come_back(s3: str, demo: DatasetRef, make: Make, tmp_path: Path) -> None:
    datasets, files = Datasets.at(s3), {name: name for name in ODD_NAMES}
    datasets.fetch(datasets.commit_version(demo, make(files), lineage={}), tmp_path / "out")
    found = {name: path.read_text() for name in ODD_NAMES if (path := tmp_path / "out" / name).is_file()}
    assert found == files


def test_a_version_holds_only_what_was_committed(datasets: Datasets, demo: DatasetRef, make: Make) -> None:
    first = datasets.commit_version(demo, make({"a": "1", "b": "2"}), lineage={})
    second = datasets.commit_version(demo, make({"a": "1"}), lineage={})
    assert [file.path for file in datasets.files(second)] == ["a"]
    assert [file.path for file in datasets.files(first)] == ["a", "b"]
    assert datasets.manifest(second).parent == first.id
    assert datasets.versions(demo) == [second, first]


def test_put_adds_to_the_latest_version(
    datasets: Datasets, demo: DatasetRef, make: Make, tmp_path: Path
) -> None:
    source = make({"a": "1", "keep/b": "2"})
    (source / "link").symlink_to("a")
    datasets.commit_version(demo, source, lineage={})
    more = make({"a": "new", "c": "3"})
    version = datasets.put(demo, [(more / "a", "a"), (more, "sub")], lineage={})
    datasets.fetch(version, tmp_path / "out")
    expected = {"a": b"new", "keep/b": b"2", "sub/a": b"new", "sub/c": b"3", "link": b"new"}
    assert {
        str(p.relative_to(tmp_path / "out")): p.read_bytes()
        for p in (tmp_path / "out").rglob("*")
        if p.is_file()
    } == expected


def test_put_refuses_a_file_where_a_folder_is(datasets: Datasets, demo: DatasetRef, make: Make) -> None:
    datasets.commit_version(demo, make({"a/b": "1"}), lineage={})
    with pytest.raises(CommitError, match="'a' can't be stored: it would be both a file and a folder"):
        datasets.put(demo, [(make({"f": "2"}) / "f", "a")], lineage={})


@pytest.mark.parametrize("inside", ["nothing", "an empty folder", "a link"])
def test_an_output_left_empty_is_refused(
    datasets: Datasets, demo: DatasetRef, make: Make, inside: str
) -> None:
    source = make({})
    if inside == "an empty folder":
        (source / "empty").mkdir()
    elif inside == "a link":
        (source / "link").symlink_to("gone")
    with pytest.raises(CommitError, match="no file to commit to 'demo'"):
        datasets.commit_version(demo, source, lineage={})
    assert datasets.datasets() == []


def test_a_second_commit_from_the_same_origin_gives_the_first_version(
    datasets: Datasets, demo: DatasetRef, make: Make
) -> None:
    producer = Producer("run", "job", "output")
    first = datasets.commit_version(demo, make(), lineage={}, producer=producer)
    datasets.commit_version(demo, make(), lineage={}, producer=Producer("run", "job", "other"))
    again = datasets.commit_version(demo, make({"b": "changed"}), lineage={}, producer=producer)
    assert again == first
    assert len(datasets.versions(demo)) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "b").write_text("longer than before"),
        lambda root: (root / "b").write_text("sames"),
        lambda root: os.truncate(root / "b", 1),
        lambda root: (root / "b").unlink(),
        lambda root: (root / "c").write_text("new"),
        lambda root: (root / "a").write_text("A"),
    ],
    ids=["grown", "rewritten", "cut", "removed", "one more", "rewritten after it was sent"],
)
def test_what_changes_while_it_is_stored_is_not_committed(
    folder: str, demo: DatasetRef, make: Make, change: Callable[[Path], object]
) -> None:
    datasets = Datasets.at(folder)
    source = make({"a": "a", "b": "bytes"})
    first = Semaphore()

    def progress(_: int) -> None:
        if first.acquire(blocking=False):
            change(source)

    with pytest.raises(CommitError, match="while it was stored"):
        datasets.commit_version(demo, source, lineage={}, progress=progress)
    assert datasets.datasets() == []


def test_an_unchanged_large_file_is_not_sent_again(
    datasets: Datasets, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    large = os.urandom(9 << 20)
    first = datasets.commit_version(demo, make({"large": large, "small": "1"}), lineage={})
    sent: list[str] = []
    upload = type(datasets.store).upload

    def counted(store: Store, key: str, chunks: Iterable[bytes], size: int) -> None:
        sent.append(key.rpartition("/")[2])
        upload(store, key, chunks, size)

    monkeypatch.setattr(type(datasets.store), "upload", counted)
    copy = type(datasets.store).copy

    def copied(store: Store, source: str, target: str) -> None:
        sent.append("copied")
        copy(store, source, target)

    monkeypatch.setattr(type(datasets.store), "copy", copied)
    version = datasets.commit_version(demo, make({"moved/large": large, "small": "2"}), lineage={})
    assert "copied" in sent
    assert "file:" in datasets.store.url or "large" not in sent
    datasets.fetch(version, tmp_path / "out")
    assert (tmp_path / "out/moved/large").read_bytes() == large
    assert datasets.files(first)[0].sha256 == datasets.files(version)[0].sha256


def test_datasets_whose_names_begin_alike_are_apart(datasets: Datasets, make: Make) -> None:
    for name in ("ds1", "ds10", "other/ds1"):
        datasets.commit_version(DatasetRef.parse(name), make({name.replace("/", "-"): "x"}), lineage={})
    assert [str(dataset) for dataset in datasets.datasets()] == ["ds1", "ds10", "other/ds1"]
    assert [f.path for f in datasets.files(datasets.resolve(DatasetRef("ds1")))] == ["ds1"]
    assert len(datasets.versions(DatasetRef("ds1"))) == 1


@pytest.mark.skipif(WHICH != "ministack", reason="other servers check the signature of what is asked")
def test_more_files_than_a_page_of_the_listing(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make
) -> None:
    proxy.rewrite = lambda path: path.replace("list-type=2", "list-type=2&max-keys=3")
    datasets = Datasets.at(behind)
    version = datasets.commit_version(demo, make({f"{n % 3}/{n}": str(n) for n in range(10)}), lineage={})
    assert version.files == len(datasets.files(version)) == 10
    assert sum("list-type" in request.path for request in proxy.seen) > 4


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("dmo", "no dataset 'dmo' in .*; did you mean 'demo'"),
        ("demo:prd", "demo:prd: no such version or tag; did you mean 'prod'"),
    ],
)
def test_an_unknown_reference_names_the_nearest(
    datasets: Datasets, demo: DatasetRef, make: Make, wanted: str, message: str
) -> None:

    version = datasets.commit_version(demo, make(), lineage={})
    datasets.tag(version, "prod")
    with pytest.raises(UnknownReferenceError, match=message):
        datasets.resolve(DatasetRef.parse(wanted))


def test_the_store_s_own_namespace_is_not_for_datasets(datasets: Datasets, make: Make) -> None:
    with pytest.raises(InputError, match="'runs' is reserved for the store"):
        datasets.commit_version(DatasetRef.parse("runs/demo"), make(), lineage={})


def test_a_full_disk_is_one_line_and_leaves_nothing_visible(
    folder: str, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    datasets = Datasets.at(folder)
    first = datasets.commit_version(demo, make(), lineage={})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device; free some space"):
        datasets.commit_version(demo, make({"b": "2"}), lineage={})
    monkeypatch.undo()
    assert datasets.versions(demo) == [first]


def test_put_gets_the_latest_manifest_once(
    folder: str, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = Datasets.at(folder)
    first = datasets.commit_version(demo, make(), lineage={})
    asked, get = [], datasets.store.get
    monkeypatch.setattr(datasets.store, "get", lambda key: asked.append(key) or get(key))  # type: ignore[func-returns-value]
    second = datasets.put(demo, [(make({"b": "b"}), "")], lineage={})
    assert len([key for key in asked if "/manifest/" in key]) == 1
    assert datasets.manifest(second).parent == first.id
