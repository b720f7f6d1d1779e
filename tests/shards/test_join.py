"""The version of all shards is that of a run alone, and none is made of shards that do not go together."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from job.errors import CommitError, StoreError
from job.generate.run import run
from job.generate.shards.files import list_shard_files
from job.pod.shards import files as shard_files
from tests.shards.pods import ANSWERS, ECHO, Generation
from tests.storage.servers import on_every_server

Generate = Callable[..., Generation]


@pytest.fixture
def alone(prompts: Path, tmp_path: Path) -> bytes:
    """The texts of a run without shards, whose prompts are at the same path."""
    path = tmp_path / "pods" / "inputs" / "prompts"
    shutil.copytree(prompts, path)
    run(replace(ECHO, prompts=str(path)), tmp_path / "alone")
    return (tmp_path / "alone" / "outputs.jsonl").read_bytes()


@pytest.mark.parametrize("copy_rows", [False, True])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_the_texts_are_those_of_a_run_alone(
    generate: Generate, folder: str, alone: bytes, count: int, copy_rows: bool
) -> None:
    generation = generate(folder, count, copy_rows=copy_rows)
    version = generation.run()
    assert generation.read_texts(version) == alone
    assert list(generation.datasets.verify(version)) == []


@on_every_server
def test_the_texts_in_a_bucket_are_those_of_a_run_alone(generate: Generate, s3: str, alone: bytes) -> None:
    generation = generate(s3, 3)
    version = generation.run()
    assert generation.read_texts(version) == alone
    assert list(generation.datasets.verify(version)) == []


def test_a_plan_says_how_many_texts_there_are(generate: Generate, folder: str) -> None:
    generation = generate(folder, 3)
    assert [generation.plan(), generation.plan()] == [{"plan": "17"}] * 2


def test_a_plan_and_a_shard_that_are_late_change_nothing(generate: Generate, folder: str) -> None:
    """Their nodes were lost, and they go on when the version is there."""
    generation = generate(folder, 1)
    generation.plan()
    late = generation.start(0)
    late.run_main()
    generation.run_shard(0)
    version = generation.join()
    assert generation.plan() == {"plan": "17"}
    generation.commit(late)
    assert generation.join() == version


def test_run_json_adds_up_what_the_shards_did(generate: Generate, folder: str) -> None:
    generation = generate(folder, 20)
    generation.plan()
    for index in range(20):
        pod = generation.start(index)
        pod.run_main()
        times = {
            "started": f"2026-01-01T00:00:{index:02d}+00:00",
            "finished": f"2026-01-02T{index:02d}:00:00Z",
        }
        if not index:  # the first to start, by a clock in another zone
            times = {"started": "2026-01-01T00:59:59+01:00", "finished": "2026-01-01T09:00:00+00:00"}
        pod.change_record({"seconds": 0.5, **times})
        generation.commit(pod)
    version = generation.join()
    record = json.loads(generation.datasets.read_file(version, "run.json"))
    assert record["counts"] == {
        "texts": 15,
        "errors": 2,
        "finish_reasons": {"length": 15},
        "prompt_tokens": record["counts"]["prompt_tokens"],
        "new_tokens": 30,
    }
    assert (record["state"], record["rows"], record["prompts"], record["shards"]) == ("completed", 17, 9, 20)
    assert (record["new_tokens"], record["seconds"], record["tokens_per_second"]) == (30, 8.5, 3.5)
    assert (record["started"], record["finished"]) == ("2026-01-01T00:59:59+01:00", "2026-01-02T16:00:00Z")
    assert "resumed_at" not in record
    lineage = generation.datasets.manifest(version).lineage
    assert lineage["made by"] == "join"
    assert lineage["generation"] == {**record["settings"], **record["run"]}


def test_an_empty_shard_has_no_file_and_a_large_one_several(
    generate: Generate, folder: str, monkeypatch: pytest.MonkeyPatch, alone: bytes
) -> None:
    monkeypatch.setattr(shard_files, "FILE_LIMIT", 500)
    generation = generate(folder, 2)
    version = generation.run()
    files = [file for file in generation.datasets.files(version) if file.path != "run.json"]
    assert files[0].path == "outputs-00000-of-00002-00001.jsonl"
    assert max(file.size for file in files) <= 500
    paths = list_shard_files("outputs.jsonl", [file.path for file in files])
    assert len(paths) == len(files) > 6
    assert generation.read_texts(version) == alone


@pytest.mark.parametrize(("setting", "suffix"), [("parquet", ".parquet"), ("openai", ".openai.jsonl")])
def test_the_files_are_those_of_the_format(
    generate: Generate, folder: str, setting: str, suffix: str
) -> None:
    generation = generate(folder, 3, settings=replace(ECHO, format=setting))
    version = generation.run()
    paths = [file.path for file in generation.datasets.files(version)]
    assert paths == [*(f"outputs-{index:05d}-of-00003{suffix}" for index in range(3)), "run.json"]
    assert list(generation.datasets.verify(version)) == []


def spoil(generation: Generation, index: int, **changes: Any) -> None:
    """Change a stored result."""
    result = generation.shards.read_result(index)
    assert result
    generation.shards.put_result(index, replace(result, **changes))


def spoil_record(
    generation: Generation, index: int, part: str, change: Mapping[str, Any], **more: Any
) -> None:
    """Change a part of the record of a stored result."""
    result = generation.shards.read_result(index)
    assert result
    record = {**result.record, part: {**result.record[part], **change}}
    spoil(generation, index, record=record, **more)


def remove_result(generation: Generation) -> None:
    generation.datasets.store.delete([f"{generation.shards.shard_prefix(1)}result.json"])


def remove_file(generation: Generation) -> None:
    result = generation.shards.read_result(1)
    assert result
    generation.datasets.store.delete([result.files[0].key])


def exceed_errors(generation: Generation) -> None:
    for index in range(3):
        spoil_record(generation, index, "counts", {"errors": 2})
        spoil_record(generation, index, "settings", {"max_errors": 5})


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (remove_result, "write: shard 1 of 3 is not done; run textgen retry"),
        (lambda generation: spoil(generation, 1, rows=5), "shard 1 has 5 rows, and 6 texts were planned"),
        (lambda generation: spoil(generation, 1, rows=7), "shard 1 has 7 rows, and 6 texts were planned"),
        (
            lambda generation: spoil_record(generation, 2, "run", {"seed": 7}),
            r"shards 0 and 2 differ \(seed 42 and 7\); start the run again",
        ),
        (remove_file, "not in the store"),
        (exceed_errors, "6 rows of all shards are wrong, and max_errors is 5"),
        (lambda generation: setattr(generation, "count", 4), "write: the plan has 3 shards, not 4"),
    ],
    ids=["not done", "too few rows", "too many rows", "another run", "a file is gone", "errors", "count"],
)
def test_shards_that_do_not_go_together_are_not_joined(
    generate: Generate, folder: str, change: Callable[[Generation], None], refusal: str
) -> None:
    generation = generate(folder, 3)
    generation.plan()
    for index in range(3):
        generation.run_shard(index)
    change(generation)
    with pytest.raises((CommitError, StoreError), match=refusal):
        generation.join()
    assert [str(each) for each in generation.datasets.datasets()] == ["questions"]


def test_a_row_with_an_error_leaves_out_the_texts_that_were_planned(
    generate: Generate, folder: str, prompts: Path, tmp_path: Path
) -> None:
    """Only the shard can find it: where it begins it has its error, and elsewhere no row."""
    settings = replace(ECHO, max_new_tokens=0, max_length=2)
    path = tmp_path / "pods" / "inputs" / "prompts"
    shutil.copytree(prompts, path)
    run(replace(settings, prompts=str(path)), tmp_path / "alone")
    generation = generate(folder, 20, settings=settings)
    texts = generation.read_texts(generation.run())
    assert texts == (tmp_path / "alone" / "outputs.jsonl").read_bytes()


def test_a_join_without_a_plan_is_one_line(generate: Generate, folder: str) -> None:
    with pytest.raises(StoreError, match="write has left no plan in"):
        generate(folder, 3).join()


def test_what_is_in_a_version_is_removed_and_the_join_again_gives_the_version(
    generate: Generate, folder: str
) -> None:
    generation = generate(folder, 3)
    version = generation.run()
    store = generation.datasets.store
    store.delete(["runs/run-1/jobs/write.json"])  # as if its pod had died before
    freed = {item.name for item in generation.datasets.collect_garbage(timedelta(0))}
    assert freed == {generation.shards.prefix}
    left = [item.key for item in store.list_objects(generation.shards.prefix)]
    assert left == [f"{generation.shards.prefix}over.json"]
    assert generation.join() == version
    assert generation.datasets.versions(ANSWERS) == [version]
    assert list(generation.datasets.verify(version)) == []
