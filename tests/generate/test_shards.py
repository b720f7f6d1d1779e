"""A run in shards: what they leave, one after the other, is what a run alone leaves."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from job.generate import outputs
from job.generate.plan import write_plan
from job.generate.run import run
from job.generate.settings import Settings
from job.generate.shard import run_shard

ECHO = Settings(engine="echo", max_new_tokens=2, num_return_sequences=2, on_error="skip")


def run_alone(settings: Settings, folder: Path) -> bytes:
    run(settings, folder / "whole")
    return (folder / "whole" / outputs.ROWS).read_bytes()


def run_shards(settings: Settings, shards: int, folder: Path, copy_rows: bool = False) -> bytes:
    plan, texts = folder / "plan", folder / "texts"
    write_plan(settings, shards, plan, copy_rows)
    for number in range(shards):
        run_shard(plan / f"{number:05}", texts / str(number))
    return b"".join((texts / str(number) / outputs.ROWS).read_bytes() for number in range(shards))


@pytest.fixture
def rows(tmp_path: Path) -> Settings:
    """Rows of two files: seven of them, and 13 texts."""
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbfOne\r\nTwo three\n\nFour")
    (folder / "b.jsonl").write_text(
        '{"prompt": "x", "n": 3}\n{"prompt": "y", "id": "a"}\n{"prompt": "z", "id": "a"}\n'
    )
    return replace(ECHO, prompts=str(folder))


@pytest.mark.parametrize("copy_rows", [False, True])
@pytest.mark.parametrize("shards", [1, 2, 3, 5, 13, 20])
def test_the_rows_of_all_shards_are_those_of_a_run_alone(
    rows: Settings, tmp_path: Path, shards: int, copy_rows: bool
) -> None:
    assert run_shards(rows, shards, tmp_path, copy_rows) == run_alone(rows, tmp_path)


def test_shards_differ_by_at_most_one_text(rows: Settings, tmp_path: Path) -> None:
    write_plan(rows, 5, tmp_path / "plan")
    plan = json.loads((tmp_path / "plan" / "plan.json").read_bytes())
    assert (plan["prompts"], plan["texts"], plan["texts_of_shards"]) == (7, 13, [3, 3, 3, 2, 2])
