"""What a shard's pod gets of its rows: bytes of files that the plan may name, and as they were planned."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.datasets.manifest import File
from job.errors import InputError, JobError, StoreError
from job.generate.shards.run import run_shard
from job.pod import inputs
from job.pod.inputs import StepRunner
from job.pod.results import JobResults, write_results
from job.pod.shards.inputs import Prompts, fetch_rows
from job.pod.shards.parts import POSITION, Position, read_position
from job.pod.spec import RUN as RUN_ID
from job.pod.spec import SHARD, SPEC, InputsSpec
from job.pod.steps import DatasetStep, OutputStep, ShardStep
from job.project import STORE_VARIABLE
from tests.shards.pods import JOB, QUESTIONS, RUN, Generation

Generate = Callable[..., Generation]


@pytest.fixture
def generation(generate: Generate, folder: str) -> Generation:
    generation = generate(folder, 2)
    generation.plan()
    return generation


def shard_key(generation: Generation, index: int) -> str:
    return f"{generation.shards.prefix}{generation.shards.require_plan().prefix}{index:05d}/shard.json"


def change_piece(generation: Generation, index: int, change: Mapping[str, Any]) -> None:
    """Change the first piece of a shard, as a hostile job may do in the plan's pod."""
    key = shard_key(generation, index)
    shard = json.loads(generation.datasets.store.get(key))
    shard["pieces"][0] |= change
    generation.datasets.store.put(key, json.dumps(shard).encode())


def test_a_shard_gets_its_own_bytes_alone(generation: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    read, ranges = generation.datasets.store.read, []

    def note(key: str, start: int = 0, end: int | None = None) -> Any:
        ranges.append((key.rpartition("/")[2], start, end))
        return read(key, start, end)

    monkeypatch.setattr(generation.datasets.store, "read", note)
    pod = generation.start(0)
    pieces = sorted(path.name for path in (pod.folder / "shard").iterdir())
    assert pieces == ["piece-0", "piece-1", "shard.json"]
    assert sorted(ranges) == [("a.txt", 0, 23), ("b.jsonl", 0, 24)]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"path": "/proc/self/environ"}, r"^'/proc/self/environ': no file of the prompts' dataset"),
        ({"path": "INPUTS/prompts/../../x"}, "no file of the prompts' dataset"),
        ({"path": "INPUTS/prompts/"}, "no file of the prompts' dataset"),
        ({"path": "INPUTS/other/a.txt"}, "no file of the prompts' dataset"),
        ({"path": "\n" * 99}, r"^'[\\n]{118}…': no file of the prompts' dataset"),
        ({"path": None}, "'None': no file of the prompts' dataset"),
        ({"start": -1}, r"shard.json: piece-0: not in its file: bytes -1 to 23 of 23"),
        ({"end": 99}, "not in its file"),
        ({"start": 3, "end": 2}, "not in its file"),
        ({"start": "x"}, "shard.json: not written by textgen"),
        ({"start": [1]}, "shard.json: not written by textgen"),
        ({"start": float("inf")}, "shard.json: not written by textgen$"),
        ({"start": "9" * 4000}, "shard.json: not written by textgen$"),
        ({"sha256": "0"}, "a.txt: damaged in the store: not the bytes that were planned"),
    ],
)
def test_a_plan_names_bytes_of_its_dataset_alone(
    generation: Generation, change: Mapping[str, Any], refusal: str
) -> None:
    if str(change.get("path")).startswith("INPUTS"):
        change = {"path": change["path"].replace("INPUTS", str(generation.root / "inputs"))}
    change_piece(generation, 0, change)
    with pytest.raises((InputError, StoreError), match=refusal):
        generation.start(0)


def test_the_files_of_a_version_are_looked_at_once(generation: Generation) -> None:
    """A shard may have as many pieces as the version has files."""

    class Files(tuple[File, ...]):
        looks = 0

        def __iter__(self) -> Iterator[File]:
            Files.looks += 1
            return super().__iter__()

    version = generation.datasets.resolve(QUESTIONS)
    manifest = generation.datasets.manifest(version)
    prompts = Prompts.of_version("prompts", QUESTIONS, replace(manifest, files=Files(manifest.files)))
    fetch_rows(generation.shards, 0, prompts, generation.new_folder() / "shard")
    assert Files.looks == 1


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"pieces": [1]}', b'{"pieces": 1}', b"x"])
def test_what_is_no_shard_is_one_line(generation: Generation, body: bytes) -> None:
    generation.datasets.store.put(shard_key(generation, 0), body)
    with pytest.raises((InputError, StoreError), match=r"00000/shard.json: (not written by textgen|damaged)"):
        generation.start(0)


def test_a_copy_that_was_damaged_is_not_read(generation: Generation) -> None:
    key = shard_key(generation, 1).replace("shard.json", "piece-1")
    generation.datasets.store.put(key, generation.datasets.store.get(key).swapcase())
    with pytest.raises(StoreError, match="piece-1: damaged in the store: not the bytes that were planned"):
        generation.start(1)


def test_a_shard_that_is_not_planned_is_refused(generation: Generation) -> None:
    with pytest.raises(InputError, match="write: no shard 2: the plan has 2"):
        generation.start(2)


def test_prompts_behind_links_of_a_version_are_read(
    generate: Generate, folder: str, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (prompts / "c.txt.gz").unlink()
    (prompts / "sub").mkdir()
    (prompts / "b.jsonl").rename(prompts / "sub" / "x")
    (prompts / "folder").symlink_to("sub")
    (prompts / "b.jsonl").symlink_to("folder/x")
    (prompts / "loop").symlink_to("loop")
    generation = generate(folder, 2)
    assert generation.read_texts(generation.run()).count(b"\n") == 13


def test_a_version_that_was_removed_is_one_line(generation: Generation) -> None:
    version = generation.datasets.resolve(QUESTIONS)
    key = f"default/questions/data/{version.id}/a.txt"
    generation.datasets.store.delete([key])
    with pytest.raises(StoreError, match=r"a\.txt: not in the store; was its version deleted"):
        generation.start(0)


def test_prompts_may_be_an_output_of_an_earlier_job(generation: Generation) -> None:
    version = str(generation.datasets.resolve(QUESTIONS))
    runner = StepRunner(generation.datasets, RUN, {}, {})
    step = ShardStep("texts", "prompts", OutputStep("make", "rows"))
    folder = generation.new_folder()
    write_results(generation.datasets.store, RUN, "make", JobResults())
    with pytest.raises(JobError, match="the job 'make' left its output 'rows' empty"):
        runner.run_shard(generation.shards, 0, step, folder / "shard", folder)
    write_results(generation.datasets.store, RUN, "make", JobResults(datasets={"rows": version}))
    runner.run_shard(generation.shards, 0, step, folder / "shard", folder)
    assert runner.lineage["inputs"] == {"prompts": version}
    assert (folder / "shard" / "piece-0").is_file()


def test_a_plan_that_has_all_rows_needs_no_dataset(generate: Generate, folder: str) -> None:
    generation = generate(folder, 2, copy_rows=True)
    generation.plan()
    pod_folder = generation.new_folder()
    runner = StepRunner(generation.datasets, RUN, {}, {})
    runner.run_shard(generation.shards, 0, ShardStep("texts"), pod_folder / "shard", pod_folder)
    assert (pod_folder / "shard" / "piece-1").is_file()


def test_a_plan_with_ranges_needs_one(generation: Generation) -> None:
    folder = generation.new_folder()
    runner = StepRunner(generation.datasets, RUN, {}, {})
    with pytest.raises(InputError, match="no file of the prompts' dataset; give plan --copy-rows"):
        runner.run_shard(generation.shards, 0, ShardStep("texts"), folder / "shard", folder)


def test_inputs_leaves_what_main_and_store_read(
    generation: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = generation.start(1)
    pod.run_main(rows=3)
    pod.sender.send_rest()
    notes, outputs = tmp_path / "notes", tmp_path / "outputs"
    notes.mkdir()
    paths = {
        "NOTES": notes,
        "OUTPUTS": outputs,
        "SHARD_FOLDER": notes / "shard",
        "LINEAGE": notes / "lineage",
    }
    for name, path in paths.items():
        monkeypatch.setattr(inputs, name, path)
    shard = ShardStep("texts", "prompts", DatasetStep("questions"))
    inputs_spec = InputsSpec("0.1.0", JOB, references=("questions",), shard=shard)
    environ = {SPEC: json.dumps(inputs_spec.to_json()), STORE_VARIABLE: generation.datasets.url, RUN_ID: RUN}
    for name, value in {**environ, SHARD: "1"}.items():
        monkeypatch.setenv(name, value)
    mask = os.umask(0o022)
    try:
        inputs.command.main([], standalone_mode=False)
    finally:
        os.umask(mask)
    texts = outputs / "texts" / "outputs.jsonl"
    position = read_position(notes / POSITION)
    assert position == Position(3, texts.stat().st_size)
    assert (texts.stat().st_mode & 0o777, texts.parent.stat().st_mode & 0o777) == (0o666, 0o777)
    assert json.loads((notes / "lineage").read_bytes())["inputs"]["prompts"].startswith("questions:")
    run_shard(notes / "shard", outputs / "texts")
    assert json.loads((outputs / "texts" / "run.json").read_bytes())["resumed_at"] == 3
