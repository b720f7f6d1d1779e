"""Which files, links and names a version can't hold."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets, Producer
from job.errors import CommitError
from job.untrusted_files import UntrustedPath
from tests.hostile import attempts, deep_tree, swapping

Make = Callable[..., Path]


@pytest.mark.parametrize("name", ["new\nline", os.fsdecode(b"\xff")])
def test_an_unsafe_name_is_not_committed(folder: str, demo: DatasetRef, make: Make, name: str) -> None:
    with pytest.raises(CommitError, match="can't be stored: its name"):
        Datasets.at(folder).commit_version(demo, make({"a": "1", name: "2"}), lineage={})


def test_names_that_differ_by_case_are_kept_and_reported(
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


def test_a_tree_that_is_too_deep_is_one_line(folder: str, demo: DatasetRef, make: Make) -> None:
    source = make()
    with (
        deep_tree(source),
        pytest.raises(CommitError, match=r"folders in one another; store it as one archive$"),
    ):
        Datasets.at(folder).commit_version(demo, source, name="/outputs/data", lineage={})


def test_an_output_that_is_a_link_is_not_committed(folder: str, demo: DatasetRef, make: Make) -> None:
    link = make() / "data"
    link.symlink_to(make({"secret": "1"}))
    with pytest.raises(CommitError, match=r"^/outputs/data: a link, which is not followed$"):
        Datasets.at(folder).commit_version(demo, link, name="/outputs/data", lineage={})


def test_a_file_that_is_a_link_is_not_committed_by_its_path(
    folder: str, demo: DatasetRef, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s")
    (tmp_path / "link").symlink_to("secret")
    files = {
        "kept": UntrustedPath.at(tmp_path / "secret"),
        "x": UntrustedPath.at(tmp_path / "link", "/outputs/x"),
    }
    with pytest.raises(CommitError, match=r"^/outputs/x: a link, which is not followed$"):
        Datasets.at(folder).commit_files(demo, files, lineage={}, producer=Producer("run", "job", "x"))


def test_a_link_that_takes_a_folders_place_is_never_followed(
    folder: str, demo: DatasetRef, make: Make
) -> None:
    datasets = Datasets.at(folder)
    source, outside = make({"deep/own": "own", "other": "x" * 100}), make({"own": "not", "secret": "1"})
    root = Path(folder.removeprefix("file://").replace("%20", " "))

    def stored() -> Iterator[Path]:
        return (path for path in root.rglob("*") if path.is_file())

    with swapping(source / "deep", outside):
        for _ in attempts(200, lambda: any(path.read_text() == "own" for path in stored())):
            with suppress(CommitError):
                datasets.commit_version(demo, source, lineage={})
    assert any(path.read_text() == "own" for path in stored())
    assert not [path for path in stored() if path.name == "secret" or path.read_text() == "not"]


def test_a_link_that_a_folder_replaces_while_it_is_read_is_refused(
    folder: str, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make({"a": "1"})
    (source / "link").symlink_to("a")
    resolve = os.path.realpath

    def replaced(path: str | Path) -> str:
        if str(path).endswith("/link"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        return resolve(path)

    monkeypatch.setattr(os.path, "realpath", replaced)
    with pytest.raises(CommitError, match="'link': changed while it was stored"):
        Datasets.at(folder).commit_version(demo, source, lineage={})


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (os.mkfifo, None),
        (lambda path: path.symlink_to("/dev/zero"), None),
        (lambda path: path.symlink_to("a.txt"), "a link, which is not followed"),
        (lambda path: path.write_bytes(b"[" * 200_000), "values more than 100 deep"),
        (
            lambda path: path.write_text(r'{"settings": {"prompt": "\ud800"}, "run": {}}'),
            "text with a lone surrogate",
        ),
        (
            lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 2 << 20),
            "over 1024 KiB; use a volume",
        ),
        (Path.mkdir, "not a regular file"),
    ],
    ids=["pipe", "device", "link", "nested", "surrogate", "sparse", "folder"],
)
def test_a_run_json_that_can_not_be_read_is_one_line(
    folder: str,
    demo: DatasetRef,
    make: Make,
    caplog: pytest.LogCaptureFixture,
    write: Callable[[Path], None],
    reason: str | None,
) -> None:
    datasets = Datasets.at(folder)
    source = make()
    write(source / "run.json")
    if reason is None:
        with pytest.raises(CommitError, match=r"'run\.json' can't be stored"):
            datasets.commit_version(demo, source, name="/outputs/data", lineage={})
        return
    version = datasets.commit_version(demo, source, name="/outputs/data", lineage={})
    assert "generation" not in datasets.manifest(version).lineage
    assert caplog.messages == [
        f"/outputs/data/run.json: {reason}; the lineage has no settings of a generation"
    ]
