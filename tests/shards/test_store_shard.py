"""What `store` takes of a plan and of a shard: whole files that main has left, and nothing behind a link."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from job.errors import CommitError, InputError
from job.pod.shards import files as shard_files
from job.pod.shards.files import store_shard
from job.pod.shards.keys import Plan, Shards, read_index
from job.pod.shards.lines import Lines, find_lines
from job.pod.shards.plan import store_plan as store_plan_of
from job.pod.spec import SHARD
from job.storage.directory import Directory
from job.untrusted_files import UntrustedPath
from tests.shards.pods import Generation, ShardPod

Generate = Callable[..., Generation]
Change = Callable[[Path], object]


@pytest.fixture
def generation(generate: Generate, folder: str) -> Generation:
    generation = generate(folder, 2)
    generation.plan()
    return generation


@pytest.fixture
def pod(generation: Generation) -> ShardPod:
    """A shard's pod, whose main has ended."""
    pod = generation.start(0)
    pod.run_main()
    return pod


def change_record(change: Mapping[str, Any]) -> Change:
    def changed(folder: Path) -> None:
        record = json.loads((folder / "run.json").read_bytes())
        (folder / "run.json").write_text(json.dumps({**record, **change}))

    return changed


def link(name: str) -> Change:
    def linked(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("/proc/self/environ")

    return linked


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda folder: (folder / "run.json").unlink(), r"run\.json: no such file; was the shard stopped\?"),
        (lambda folder: (folder / "run.json").write_text("["), r"run\.json: not JSON"),
        (lambda folder: (folder / "run.json").write_text("[]"), r"run\.json: not that of a shard"),
        (lambda folder: (folder / "run.json").write_bytes(b" " * (2 << 20)), r"run\.json: over 1024 KiB"),
        (link("run.json"), r"run\.json: a link, which is not followed"),
        (change_record({"state": "running"}), r"run\.json: not that of a shard that is done"),
        (change_record({"rows": 3}), r"run\.json: says 3 rows, and outputs\.jsonl has 9"),
        (change_record({"counts": {"texts": "x"}}), r"run\.json: not that of a shard that is done"),
        (change_record({"settings": {"format": "../x"}}), r"run\.json: not that of a shard that is done"),
        (
            change_record({"settings": {"format": "parquet", "max_errors": 0}}),
            r"outputs\.parquet: no such file",
        ),
        (lambda folder: (folder / "outputs.jsonl").unlink(), r"outputs\.jsonl: no such file"),
        (lambda folder: (folder / "outputs.jsonl").write_bytes(b"{}\n{"), "its last line is not whole"),
        (link("outputs.jsonl"), r"outputs\.jsonl: a link, which is not followed"),
    ],
)
def test_a_shard_that_is_not_done_has_no_result(
    generation: Generation, pod: ShardPod, change: Change, refusal: str
) -> None:
    change(pod.texts)
    with pytest.raises(CommitError, match=refusal):
        store_shard(generation.shards, 0, UntrustedPath.at(pod.texts))
    assert generation.shards.read_result(0) is None
    assert list(generation.datasets.store.list_objects(f"{generation.shards.shard_prefix(0)}files/")) == []


def test_a_file_that_changes_while_it_is_stored_is_refused(
    generation: Generation, pod: ShardPod, monkeypatch: pytest.MonkeyPatch
) -> None:

    def change(*arguments: Any) -> Lines:
        lines = find_lines(*arguments)
        path = pod.texts / "outputs.jsonl"
        path.write_bytes(path.read_bytes().swapcase())
        return lines

    monkeypatch.setattr(shard_files, "find_lines", change)
    with pytest.raises(CommitError, match="changed while it was stored"):
        store_shard(generation.shards, 0, UntrustedPath.at(pod.texts))
    assert generation.shards.read_result(0) is None


def test_a_shard_is_stored_once(generation: Generation, pod: ShardPod) -> None:
    result = store_shard(generation.shards, 0, UntrustedPath.at(pod.texts))
    (pod.texts / "outputs.jsonl").write_bytes(b"")
    assert store_shard(generation.shards, 0, UntrustedPath.at(pod.texts)) == result
    assert generation.shards.read_result(0) == result


def write_plan(folder: Path, **changes: Any) -> None:
    (folder / "00000").mkdir(parents=True)
    (folder / "00000" / "shard.json").write_text("{}")
    plan = {"prompts": 1, "texts_of_shards": [1], "settings": {}}
    (folder / "plan.json").write_text(json.dumps({**plan, **changes}))


def store_plan(root: Path) -> Plan:
    shards = Shards(Directory(root / "store"), "run", "write")
    return store_plan_of(shards, UntrustedPath.at(root / "plan"), {})


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda folder: (folder / "plan.json").unlink(), r"plan\.json: no such file; was the plan stopped\?"),
        (lambda folder: (folder / "plan.json").write_text("[]"), r"plan\.json: not a plan of shards"),
        (
            lambda folder: (folder / "plan.json").write_text('{"prompts": 1' + "0" * 30),
            r"plan\.json: a number of more than 64 bits",
        ),
        (link("plan.json"), r"plan\.json: a link, which is not followed"),
        (
            lambda folder: (folder / "00000" / "shard.json").unlink(),
            r"plan/00000/shard\.json: no such file; was the plan stopped\?",
        ),
        (link("00000/shard.json"), "the link leads out of the version"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, change: Change, refusal: str) -> None:
    write_plan(tmp_path / "plan")
    change(tmp_path / "plan")
    with pytest.raises(CommitError, match=refusal):
        store_plan(tmp_path)
    assert not (tmp_path / "store").exists()


def test_nothing_but_the_plan_s_files_is_stored(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan")
    for name in ("piece-0", "piece-x", "other"):
        (tmp_path / "plan" / "00000" / name).write_text(name)
    plan = store_plan(tmp_path)
    prefix = f"runs/run/shards/write/{plan.prefix}"
    keys = [item.key for item in Directory(tmp_path / "store").list_objects(prefix)]
    assert [key.removeprefix(prefix) for key in keys] == ["00000/piece-0", "00000/shard.json", "plan.json"]


def test_a_plan_that_grows_while_it_is_stored_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plan(tmp_path / "plan")
    upload = Directory.upload

    def grow(store: Directory, key: str, *rest: Any) -> None:
        upload(store, key, *rest)
        (tmp_path / "plan" / "00000" / "more").touch()

    monkeypatch.setattr(Directory, "upload", grow)
    with pytest.raises(CommitError, match="changed while it was stored"):
        store_plan(tmp_path)
    assert Shards(Directory(tmp_path / "store"), "run", "write").read_plan() is None


@pytest.mark.parametrize("text", ["", "-1", "x", "1000", "¹", "1.0"])
def test_the_number_of_a_shard_is_a_number(text: str) -> None:
    with pytest.raises(InputError, match="TEXTGEN_SHARD: not the number of a shard"):
        read_index({SHARD: text})
    assert read_index({SHARD: "0999"}) == 999


def test_a_run_or_job_of_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the name of a run or a job"):
        Shards(Directory(tmp_path), "../x", "write").read_plan()
