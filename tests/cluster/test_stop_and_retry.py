"""A failed run is reset to what has succeeded, and Argo runs the rest again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from argo.cluster.api import ApiError
from argo.cluster.backoff import retry_on_conflict
from argo.cluster.stop_and_retry import _select_nodes, reset_workflow
from argo.cluster.workflow_nodes import get_nodes
from argo.cluster.workflow_status import build_run_record
from argo.runs import Phase
from job.errors import InputError


def test_succeeded_jobs_stay_and_all_others_are_pending(failed_workflow: Any) -> None:
    failed_workflow["spec"]["shutdown"] = "Stop"
    workflow = reset_workflow(failed_workflow, _select_nodes(failed_workflow))
    record = build_run_record(workflow)
    assert record.phase is Phase.PENDING
    assert [job.phase for job in record.jobs.values()] == [Phase.SUCCEEDED, Phase.PENDING, Phase.PENDING]
    assert record.started > datetime(2026, 1, 1, tzinfo=UTC)
    assert "shutdown" not in workflow["spec"]
    assert "workflows.argoproj.io/completed" not in workflow["metadata"]["labels"]
    nodes = workflow["status"]["nodes"]
    assert all(child in nodes for node in nodes.values() for child in node.get("children", ()))
    assert nodes[record.name]["phase"] == "Running"


def test_the_shards_that_succeeded_stay_and_the_others_are_made_again(failed_generation: Any) -> None:
    nodes = get_nodes(failed_generation)
    done = [node for node in nodes.values() if ".shard(2:2)" in node["name"]]
    for node in done:
        failed_generation["status"]["nodes"][node["id"]]["phase"] = "Succeeded"
    kept = _select_nodes(failed_generation)
    assert sorted(node["name"].partition(".")[2] for node in kept.values()) == [
        "",
        "write",
        "write.plan",
        "write.plan(0)",
        "write.plan(0).commit",
        "write.plan(0).main",
        "write.shard",
        "write.shard(2:2)",
        "write.shard(2:2)(0)",
        "write.shard(2:2)(0).commit",
        "write.shard(2:2)(0).main",
    ]
    workflow = reset_workflow(failed_generation, kept)
    again = [node for node in get_nodes(workflow).values() if node["type"] in {"DAG", "TaskGroup"}]
    assert {node["phase"] for node in again} == {"Running"}
    assert not any("finishedAt" in node for node in again)
    assert all(child in kept for node in get_nodes(workflow).values() for child in node.get("children", ()))


def test_a_generation_that_was_left_out_is_begun(failed_generation: Any) -> None:
    nodes = failed_generation["status"]["nodes"]
    for key, node in list(nodes.items()):
        if ".write." in node["name"]:
            del nodes[key]
        elif node["name"].endswith(".write"):
            node |= {"type": "Skipped", "phase": "Omitted"}
    assert list(_select_nodes(failed_generation)) == [failed_generation["metadata"]["name"]]


def test_compressed_nodes_stay_compressed(failed_workflow: Any) -> None:
    nodes = get_nodes(failed_workflow)
    failed_workflow["status"]["compressedNodes"] = "any"
    workflow = reset_workflow(failed_workflow, nodes)
    assert "nodes" not in workflow["status"]
    assert get_nodes(workflow).keys() == nodes.keys()


def test_a_workflow_of_another_shape_is_left_to_argo_retry(failed_workflow: Any) -> None:
    nested = {"id": "deep", "type": "Pod", "displayName": "deep", "boundaryID": "step", "phase": "Failed"}
    failed_workflow["status"]["nodes"]["deep"] = nested
    with pytest.raises(InputError, match="argo retry"):
        _select_nodes(failed_workflow)


@pytest.mark.parametrize(("status", "calls"), [(409, 10), (403, 1)])
def test_a_conflict_is_tried_ten_times_and_another_error_once(
    status: int, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    called = []

    @retry_on_conflict
    def update() -> None:
        called.append(1)
        raise ApiError("no", status, {})

    with pytest.raises(ApiError, match="no"):
        update()
    assert len(called) == calls
