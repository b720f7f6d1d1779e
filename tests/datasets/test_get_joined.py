"""`textgen dataset get --join`: one file in place of those that shards have left."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from click.testing import CliRunner, Result
from pyarrow.parquet import ParquetFile, write_table

from argo.cli.dataset import command
from job.datasets import DatasetRef, Datasets, Version
from job.errors import InputError, TextgenError
from job.generate.shards import join

Make = Callable[..., Path]

LINES = [json.dumps({"id": str(n), "text": "a" * n}).encode() + b"\n" for n in range(5)]
FILES: dict[str, str | bytes] = {
    "outputs-00000-of-00003.jsonl": LINES[0] + LINES[1],
    "outputs-00000-of-00003-00001.jsonl": LINES[2],
    "outputs-00002-of-00003.jsonl": LINES[3] + LINES[4],
    "outputs-00000-of-00003.openai.jsonl": b"{}\n",
    "outputs-00002-of-00003.openai.jsonl": b"[]\n",
    "run.json": "{}",
}


def get(url: str, version: Version, folder: Path, *words: str) -> Result:
    return CliRunner().invoke(command, ["get", str(version), str(folder), "--store", url, *words])


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_there_is_one_file_of_each_kind_beside_the_others(
    url: str, datasets: Datasets, demo: DatasetRef, make: Make, tmp_path: Path
) -> None:
    version = datasets.commit_version(demo, make(FILES), lineage={})
    assert get(url, version, tmp_path / "out", "--join").exit_code == 0
    assert read(tmp_path / "out") == {
        "outputs.jsonl": b"".join(LINES),
        "outputs.openai.jsonl": b"{}\n[]\n",
        "run.json": b"{}",
    }
    assert (tmp_path / "out/outputs.jsonl").stat().st_mode == (tmp_path / "out/run.json").stat().st_mode


def test_a_line_without_an_end_stays_one(folder: str, demo: DatasetRef, make: Make, tmp_path: Path) -> None:
    files = {"outputs-00000-of-00002.jsonl": b"{}", "outputs-00001-of-00002.jsonl": b"[]\n"}
    version = Datasets.at(folder).commit_version(demo, make(files), lineage={})
    assert get(folder, version, tmp_path / "out", "--join").exit_code == 0
    assert read(tmp_path / "out") == {"outputs.jsonl": b"{}\n[]\n"}


@pytest.mark.parametrize(
    "files",
    [{"outputs.jsonl": "{}", "a": "b"}, {"outputs.jsonl": "{}", "outputs-00000-of-00001.jsonl": "[]"}],
    ids=["without-shards", "with-all-texts-already"],
)
def test_a_version_with_one_file_of_its_texts_stays_as_it_is(
    folder: str, demo: DatasetRef, make: Make, tmp_path: Path, files: dict[str, str]
) -> None:
    version = Datasets.at(folder).commit_version(demo, make(files), lineage={})
    assert get(folder, version, tmp_path / "out", "--join").exit_code == 0
    assert read(tmp_path / "out") == {name: body.encode() for name, body in files.items()}


def test_after_an_interruption_the_same_command_gives_all_of_it(
    folder: str, demo: DatasetRef, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = Datasets.at(folder).commit_version(demo, make(FILES), lineage={})

    def interrupt(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupt)
        assert get(folder, version, tmp_path / "out", "--join").exit_code != 0
    assert not (tmp_path / "out").exists()
    assert get(folder, version, tmp_path / "out", "--join").exit_code == 0
    assert read(tmp_path / "out")["outputs.jsonl"] == b"".join(LINES)


def test_parquet_files_become_one_with_the_columns_of_all(
    folder: str, demo: DatasetRef, make: Make, tmp_path: Path
) -> None:
    # all errors of the first shard are null, so its column has no type
    shards: list[list[dict[str, str | None]]] = [
        [{"id": "a", "error": None}, {"id": "b", "error": None}],
        [{"id": "c", "error": "bad"}],
    ]
    source = make({})
    for number, rows in enumerate(shards):
        write_table(pyarrow.Table.from_pylist(rows), source / f"outputs-{number:05d}-of-00002.parquet")
    version = Datasets.at(folder).commit_version(demo, source, lineage={})
    assert get(folder, version, tmp_path / "out", "--join").exit_code == 0
    assert list(read(tmp_path / "out")) == ["outputs.parquet"]
    with ParquetFile(tmp_path / "out/outputs.parquet") as joined:
        assert joined.num_row_groups == 2
        assert joined.read().to_pylist() == [row for rows in shards for row in rows]


def test_parquet_files_without_common_columns_are_refused_in_one_line(
    folder: str, demo: DatasetRef, make: Make, tmp_path: Path
) -> None:
    source = make({})
    for number, value in enumerate(["a", {"b": 1}]):
        rows: list[dict[str, object]] = [{"id": value}]
        table = pyarrow.Table.from_pylist(rows)
        write_table(table, source / f"outputs-{number:05d}-of-00002.parquet")
    version = Datasets.at(folder).commit_version(demo, source, lineage={})
    refused = get(folder, version, tmp_path / "out", "--join").exception
    assert isinstance(refused, TextgenError)
    assert "the rows have no common columns" in str(refused)
    assert not (tmp_path / "out").exists()
    assert get(folder, version, tmp_path / "out").exit_code == 0


def test_without_pyarrow_nothing_is_fetched(
    folder: str, demo: DatasetRef, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make({"outputs-00000-of-00001.parquet": "PAR1"})
    version = Datasets.at(folder).commit_version(demo, source, lineage={})
    monkeypatch.setattr(join, "is_installed", lambda _: False)
    refused = get(folder, version, tmp_path / "out", "--join").exception
    assert isinstance(refused, InputError)
    assert str(refused).startswith("to join Parquet files: pyarrow is not installed; run: ")
    assert list(tmp_path.glob(".out*")) == []
