"""A generation in shards reads as one job, however many pods it has."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from argo.cli import show_run, textgen
from argo.cluster import follow_run, pods
from argo.cluster.api import Api
from argo.cluster.follow_run import RunSnapshot
from argo.cluster.shard_progress import ShardProgressReader
from argo.cluster.workflow_nodes import Part, parse_part
from argo.cluster.workflow_status import build_run_record
from argo.runs import Phase, Progress, RunRecord, StepRecord
from argo.units import format_progress
from job.datasets import Datasets
from tests.cluster.fake_api import FakeApi
from tests.cluster.test_pods import T, make_pod

UID = "2f6b1c1e"


def find(workflow: Any, name: str) -> Any:
    """The node of this name within the job."""
    return next(n for n in workflow["status"]["nodes"].values() if n["name"].endswith(f".write{name}"))


def restart(workflow: Any, shards: Iterable[int]) -> None:
    """These shards have not failed: they run, with 5 of their texts made. The others are done."""
    for node in (workflow["status"], find(workflow, ""), find(workflow, ".shard")):
        del node["finishedAt"]
        node["phase"] = "Running"
    for shard in range(4):
        runs = shard in shards
        phase, progress = ("Running", "5/16") if runs else ("Succeeded", "16/16")
        find(workflow, f".shard({shard}:{shard})")["phase"] = phase
        pod = find(workflow, f".shard({shard}:{shard})(0)")
        pod |= {"phase": phase, "progress": progress, "message": ""}


def read_job(workflow: Any, *found: Any) -> Any:
    return RunSnapshot(workflow, tuple(found)).record.jobs["write"]


def test_the_first_failed_shard_is_named_and_the_others_are_counted(failed_generation: Any) -> None:
    job = read_job(failed_generation)
    assert job.phase is Phase.FAILED
    assert job.message == "shard 1: main: Error (exit code 1); 3 more shards failed"
    assert job.progress == Progress(0, 64, 0, 4)


@pytest.mark.parametrize(("part", "label"), [(".plan", "plan"), (".join", "join")])
def test_a_plan_or_a_join_that_failed_is_named(failed_generation: Any, part: str, label: str) -> None:
    nodes = failed_generation["status"]["nodes"]
    shards = [key for key, node in nodes.items() if ".shard" in node["name"]]
    for key in shards:
        del nodes[key]
    pod = find(failed_generation, ".plan(0)")
    pod |= {"name": f"gen.write{part}(0)", "phase": "Failed", "message": "no"}
    assert read_job(failed_generation).message == f"{label}: no"


def test_a_running_generation_adds_up_its_shards(failed_generation: Any) -> None:
    restart(failed_generation, {2, 3})
    job = read_job(failed_generation)
    assert (job.phase, job.message) == (Phase.RUNNING, "")
    assert job.progress == Progress(42, 64, 2, 4)
    pod = find(failed_generation, ".shard(2:2)(0)")
    pod |= {"phase": "Failed", "message": "the node had no disk left"}
    assert read_job(failed_generation).message == "shard 2: the node had no disk left"


def test_a_shard_that_is_tried_again_says_why_and_keeps_what_it_had(failed_generation: Any) -> None:
    restart(failed_generation, {2, 3})
    nodes = failed_generation["status"]["nodes"]
    first = find(failed_generation, ".shard(3:3)(0)")
    second = {**first, "id": "second", "name": first["name"].replace("(0)", "(1)"), "progress": "0/16"}
    nodes["second"] = {**second, "startedAt": "2027-01-01T00:00:00Z"}
    first |= {"phase": "Error", "message": "pod deleted"}
    job = read_job(failed_generation)
    assert job.message == "shard 3: trying again: pod deleted"
    assert job.progress.done == 42


def test_a_generation_is_pending_until_its_plan_runs(failed_generation: Any) -> None:
    restart(failed_generation, range(4))
    plan = find(failed_generation, ".plan(0)")
    failed_generation["status"]["nodes"] = {
        key: node
        for key, node in failed_generation["status"]["nodes"].items()
        if ".write." not in node["name"] or ".plan" in node["name"]
    }
    plan |= {"phase": "Pending", "outputs": {}}
    job = read_job(failed_generation)
    assert (job.phase, job.progress) == (Phase.PENDING, Progress(0, 0, 0, 4))
    plan["phase"] = "Running"
    assert read_job(failed_generation).phase is Phase.RUNNING


def make_part_pod(name: str, **status: Any) -> Any:
    """A pod of the generation: `plan`, `shard(3:3)`, `join`."""
    pod = make_pod("write", **status)
    pod["metadata"] |= {"uid": name, "name": name}
    pod["metadata"]["annotations"]["workflows.argoproj.io/node-name"] = f"gen-1.write.{name}(0)"
    return pod


UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    ],
}


def test_shards_that_wait_say_why_once(failed_generation: Any) -> None:
    restart(failed_generation, {1, 2, 3})
    found = [make_part_pod(f"shard({index}:{index})", **UNSCHEDULABLE) for index in (1, 2, 3)]
    snapshot = follow_run._WaitReasons(cast(Api, None)).add_to(RunSnapshot(failed_generation, tuple(found)))
    message = "shard 1: Unschedulable: 0/1 nodes; 2 more shards waiting"
    assert snapshot.record.jobs["write"].message == message


def test_the_events_of_one_waiting_shard_are_read_and_not_those_of_all(failed_generation: Any) -> None:
    restart(failed_generation, range(4))
    asked = []

    def get(path: str, query: dict[str, object]) -> Any:
        asked.append(query["fieldSelector"])
        return {"items": [{"reason": "FailedMount", "message": "no volume"}]}

    found = tuple(make_part_pod(f"shard({index}:{index})", phase="Pending") for index in range(4))
    reasons = follow_run._WaitReasons(cast(Api, FakeApi(get, get)))
    snapshot = reasons.add_to(RunSnapshot(failed_generation, found), now=True)
    assert snapshot.record.jobs["write"].message == "shard 0: FailedMount: no volume"
    assert len(asked) == 1


def test_a_shard_out_of_memory_says_what_it_had(failed_generation: Any) -> None:
    state = {"name": "main", "state": {"terminated": {"reason": "OOMKilled"}}}
    pod = make_part_pod("shard(1:1)", phase="Failed", containerStatuses=[state])
    node = find(failed_generation, ".shard(1:1)(0)")["id"]
    pod["metadata"]["annotations"]["workflows.argoproj.io/node-id"] = node
    message = "shard 1: OOMKilled: container main, asked for 512 MiB; give it more memory; 3 more"
    assert read_job(failed_generation, pod).message.startswith(message)


def test_a_plan_all_shards_and_a_join_are_a_step_each() -> None:
    def state(start: int, *end: int) -> Any:
        times = {"startedAt": T[start], **({"finishedAt": T[end[0]]} if end else {})}
        return [{"name": "main", "state": {"terminated" if end else "running": times}}]

    found = [
        make_part_pod("plan", containerStatuses=state(0, 1)),
        make_part_pod("shard(0:0)", containerStatuses=state(1, 2)),
        make_part_pod("shard(1:1)", containerStatuses=state(2)),
    ]
    t = [datetime.fromisoformat(time) for time in T]
    steps = (StepRecord("plan", t[0], t[1]), StepRecord("main", t[1]))
    assert pods.list_steps(found) == {"write": steps}


def test_commit_is_a_step_from_when_the_job_s_container_has_ended() -> None:
    """Argo starts both at once, and holds the second back."""
    pod = make_pod("job")
    pod["spec"]["containers"].append({"name": "commit"})
    pod["status"]["containerStatuses"] = [
        {"name": "main", "state": {"terminated": {"startedAt": T[0], "finishedAt": T[1]}}},
        {"name": "commit", "state": {"terminated": {"startedAt": T[0], "finishedAt": T[2]}}},
    ]
    main, commit = pods.list_steps([pod])["job"]
    assert commit.started == main.finished
    pod["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": T[0]}}
    assert [step.name for step in pods.list_steps([pod])["job"]] == ["main"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("gen-1.write.plan(0)", Part("plan")),
        ("gen-1.write.shard(12:12)(3)", Part("shard", 12)),
        ("gen-1.write.join", Part("join")),
        ("gen-1.2.write.shard(0:0)(0)", Part("shard", 0)),
        ("gen-1.plan(0)", None),
        ("gen-1.shard(0)", None),
        ("gen-1.write.other(0:a)", None),
    ],
)
def test_a_pod_s_node_says_which_part_of_a_generation_it_is(name: str, part: Part | None) -> None:
    assert parse_part(name) == part


def enlarge(workflow: Any, shards: int) -> None:
    """As many shards as that, of which all but three are done."""
    nodes = workflow["status"]["nodes"]
    templates = {each["name"]: each for each in workflow["spec"]["templates"]}
    templates["write"]["dag"]["tasks"][1]["withSequence"]["count"] = str(shards)
    restart(workflow, {3})
    done = [find(workflow, f".shard(2:2){inner}") for inner in ("", "(0)", "(0).main", "(0).commit")]
    for index in range(4, shards):
        for node in done:
            key = f"{node['id']}-{index}"
            nodes[key] = {**node, "id": key, "name": node["name"].replace("(2:2)", f"({index}:{index})")}


def test_what_is_shown_of_a_thousand_shards_is_short(
    failed_generation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarge(failed_generation, 1000)
    find(failed_generation, ".plan(0)")["outputs"]["parameters"][0]["value"] = "16000"
    found = tuple(make_part_pod(f"shard({index}:{index})", phase="Running") for index in range(1000))
    snapshot = RunSnapshot(failed_generation, found)
    monkeypatch.setattr("argo.cli.get.find_run", lambda *_: None)
    monkeypatch.setattr("argo.cluster.follow_run.get_snapshot", lambda *_: snapshot)
    shown = CliRunner().invoke(textgen, ["get", "gen-1"], catch_exceptions=False)
    assert "15989/16000 texts, 999/1000 shards" in shown.output
    assert len(shown.output) < 1000
    as_json = CliRunner().invoke(textgen, ["get", "gen-1", "-o", "json"], catch_exceptions=False)
    assert json.loads(as_json.output)["jobs"]["write"]["progress"]["done_shards"] == 999
    assert len(as_json.output) < 2000


def test_the_shards_own_progress_is_added_from_the_store(failed_generation: Any, tmp_path: Path) -> None:
    restart(failed_generation, {2, 3})
    failed_generation["metadata"]["uid"] = UID
    datasets = Datasets.at(tmp_path.as_uri())
    reader = ShardProgressReader(make_api(tmp_path.as_uri()), pytest.fail)
    for done, left in ((6, None), (12, 2)):
        for shard, tokens in ((2, 100), (3, 300)):
            said = {"done": done, "texts": 16, "new_tokens": tokens, "seconds": 10.0}
            key = f"runs/{UID}/shards/write/{shard:05d}/progress.json"
            datasets.store.put(key, json.dumps(said).encode())
        reader._due = 0.0
        look(reader, failed_generation)
        progress = reader.add_to(RunSnapshot(failed_generation)).jobs["write"].progress
        assert progress
        assert (progress.done, progress.tokens_per_second) == (32 + 2 * done, 40.0)
        assert (progress.seconds_left is None) == (left is None)


def test_a_store_that_can_not_be_read_is_said_once(failed_generation: Any) -> None:
    restart(failed_generation, {2, 3})
    said: list[str] = []
    reader = ShardProgressReader(make_api(""), said.append)
    for _ in range(2):
        reader._due = 0.0
        look(reader, failed_generation)
        job = reader.add_to(RunSnapshot(failed_generation)).jobs["write"]
        assert job.progress == Progress(42, 64, 2, 4)
    assert len(said) == 1
    assert "the store can't be read" in said[0]


def make_api(url: str) -> Api:
    """An API server that has the store's URL, and no right to the Secret."""

    class WithStore(FakeApi):
        def find(self, path: str) -> Any:
            return {"data": {"url": url}} if path.startswith("configmaps") else None

    def get(path: str, query: dict[str, object]) -> Any:
        raise AssertionError(path)

    return cast(Api, WithStore(get, get))


def look(reader: ShardProgressReader, workflow: Any) -> None:
    """Have the reader look into the store, and wait for it."""
    reader.add_to(RunSnapshot(workflow))
    assert reader._reader
    reader._reader.join(120)
    assert not reader._reader.is_alive()


def test_a_line_says_how_far_it_is_now_and_then(
    failed_generation: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    restart(failed_generation, {2, 3})
    show = show_run._ChangePrinter()
    show(read_run(failed_generation))
    find(failed_generation, ".shard(2:2)(0)")["progress"] = "9/16"
    show(read_run(failed_generation))  # at once: not yet
    clock[0] += 31
    show(read_run(failed_generation))
    find(failed_generation, "")["phase"] = "Failed"
    show(read_run(failed_generation))
    lines = [line.split("  write")[1].strip() for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines == [
        f"{phase}  {done}/64 texts, 2/4 shards"
        for phase, done in (("Running  ", 42), ("Running  ", 46), ("Failed   ", 46))
    ]


def read_run(workflow: Any) -> RunRecord:
    return build_run_record(workflow)


def test_progress_is_one_short_line() -> None:
    progress = Progress(20, 64, 3, 16, 41.2, 185.0)
    assert format_progress(progress) == "20/64 texts, 3/16 shards, 41 tokens/s, 3m5s left"
    assert format_progress(Progress(0, 0, 0, 4)) == "0/4 shards"
    assert format_progress(None) == ""


def test_a_run_with_progress_is_read_back(failed_generation: Any) -> None:
    record = build_run_record(failed_generation)
    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_nodes_that_are_elsewhere_are_no_error_in_a_list(failed_generation: Any) -> None:
    failed_generation["status"]["offloadNodeStatusVersion"] = "1"
    del failed_generation["status"]["nodes"]
    record = build_run_record(failed_generation)
    assert record.phase is Phase.FAILED
    assert "database of Argo's controller; use argo get" in record.message
    failed_generation["status"]["compressedNodes"] = "KLUv/QBYAQAA"  # zstd
    assert "only gzip can be read" in build_run_record(failed_generation).message
