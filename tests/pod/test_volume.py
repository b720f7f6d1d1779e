"""A volume arrives as it was, with everything that a folder may hold."""

import io
import os
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from job.datasets import Datasets
from job.errors import CommitError, StoreError
from job.pod.results import Volume
from job.pod.volume import load_volume, save_volume
from job.storage.store import Store
from job.untrusted_files import UntrustedPath
from tests.hostile import attempts, deep_tree, swapping

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets.at((tmp_path / "store").as_uri())


def test_links_empty_folders_and_modes_arrive(datasets: Datasets, tmp_path: Path) -> None:
    folder = tmp_path / "from"
    (folder / "bin" / "nothing").mkdir(parents=True)
    tool = folder / "bin" / "tool"
    tool.write_bytes(b"#!/bin/sh\n")
    tool.chmod(0o700)
    (folder / "python").symlink_to("/usr/bin/python3")
    (folder / "dangling").symlink_to("nowhere")
    os.link(tool, folder / "same")
    os.mkfifo(folder / "pipe")
    target = tmp_path / "to"
    load_volume(
        datasets.store, save_volume(datasets.store, "run", "job", "v", UntrustedPath.at(folder)), target
    )
    assert (target / "bin" / "tool").stat().st_mode & 0o777 == 0o777
    assert (target / "bin" / "nothing").is_dir()
    assert (target / "python").readlink() == Path("/usr/bin/python3")
    assert (target / "dangling").readlink() == Path("nowhere")
    assert (target / "same").samefile(target / "bin" / "tool")
    assert not (target / "pipe").exists()


@given(st.dictionaries(NAMES, st.binary(max_size=3000), max_size=5))
@settings(max_examples=30)
def test_any_names_and_bytes_arrive(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    base = tmp_path_factory.mktemp("volume")
    store = Datasets.at((base / "store").as_uri()).store
    (base / "from").mkdir()
    for name, body in files.items():
        (base / "from" / name).write_bytes(body)
    load_volume(store, save_volume(store, "run", "job", "v", UntrustedPath.at(base / "from")), base / "to")
    assert {path.name: path.read_bytes() for path in (base / "to").iterdir()} == files


def test_an_empty_volume_arrives_empty(datasets: Datasets, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    saved = save_volume(datasets.store, "run", "job", "v", UntrustedPath.at(tmp_path / "from"))
    load_volume(datasets.store, saved, tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_a_flipped_byte_is_found(datasets: Datasets, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "file").write_bytes(b"x" * 5000)
    saved = save_volume(datasets.store, "run", "job", "v", UntrustedPath.at(tmp_path / "from"))
    body = bytearray(datasets.store.get(saved.key))
    body[body.index(b"xxx") + 100] ^= 1
    datasets.store.put(saved.key, bytes(body))
    with pytest.raises(StoreError, match="damaged"):
        load_volume(datasets.store, saved, tmp_path / "to")


def test_large_pieces_are_unpacked_as_fast_as_small_ones(datasets: Datasets, tmp_path: Path) -> None:
    """A store gives a large volume in pieces of 8 MiB, of which tar takes 10 KiB at a time."""
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "file").write_bytes(bytes(24 << 20))
    volume = save_volume(datasets.store, "run", "job", "v", UntrustedPath.at(tmp_path / "from"))
    body = datasets.store.get(volume.key)

    def seconds(size: int) -> float:
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        store = cast(Store, SimpleNamespace(read=lambda _: iter(pieces)))
        start = time.process_time()
        load_volume(store, volume, tmp_path / "to")
        return time.process_time() - start

    assert min(seconds(8 << 20) for _ in range(3)) < 3 * min(seconds(1 << 16) for _ in range(3))


def test_a_tree_that_is_too_deep_is_one_line(datasets: Datasets, tmp_path: Path) -> None:
    with (
        deep_tree(tmp_path / "from"),
        pytest.raises(
            CommitError, match=r"^/outputs/v/d/d/.* folders in one another; store it as one archive$"
        ),
    ):
        save_volume(datasets.store, "run", "job", "v", UntrustedPath.at(tmp_path / "from", "/outputs/v"))


def test_a_volume_that_is_a_link_is_not_stored(datasets: Datasets, tmp_path: Path) -> None:
    (tmp_path / "from").symlink_to("/etc")
    with pytest.raises(CommitError, match=r"^/outputs/v: the job replaced this folder$"):
        save_volume(datasets.store, "run", "job", "v", UntrustedPath.at(tmp_path / "from", "/outputs/v"))


def test_a_link_that_takes_a_folders_place_is_never_followed(datasets: Datasets, tmp_path: Path) -> None:
    def tars() -> Iterator[bytes]:
        return (path.read_bytes() for path in (tmp_path / "store").rglob("*.tar"))

    for name, text in (("from/deep/own", "own"), ("outside/own", "secret"), ("outside/secret", "secret")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with swapping(tmp_path / "from" / "deep", tmp_path / "outside"):
        for _ in attempts(300, lambda: any(b"own" in tar for tar in tars())):
            with suppress(CommitError):
                save_volume(datasets.store, "run", "job", "v", UntrustedPath.at(tmp_path / "from"))
    assert any(b"own" in tar for tar in tars())
    assert not any(b"secret" in tar for tar in tars())


def test_nothing_is_written_below_a_link_of_a_volume(datasets: Datasets, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as tar:
        link = tarfile.TarInfo("./link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "outside")
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("link/file"))
    datasets.store.put("key", body.getvalue())
    volume = Volume("key", sha256(body.getvalue()).hexdigest(), len(body.getvalue()))
    with pytest.raises(StoreError, match="damaged in the store: 'link/file' is below a link"):
        load_volume(datasets.store, volume, tmp_path / "to")
    assert not list((tmp_path / "outside").iterdir())
