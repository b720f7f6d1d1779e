"""generate@v1 on a real Argo: the same texts for any number of shards, and after a stop what is missing."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from job.datasets import DatasetRef
from tests.cluster.command import Command
from tests.cluster.generation import (
    ECHO,
    MODEL,
    commit_prompts,
    count_rows,
    count_stored_rows,
    find_pod,
    make_command,
    open_shards,
    read_job,
    read_texts,
    submit,
    write_job,
)
from tests.cluster.kubernetes import Namespace, until

# Each takes minutes, and all of the cluster's cores.
pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]


@pytest.fixture(scope="module")
def prompted(restricted: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    """A namespace with 64 prompts."""
    commit_prompts(restricted, tmp_path_factory.mktemp("prompts") / "files")
    return restricted


def generate(folder: Path, namespace: Namespace, jobs: str, engine: tuple[str, str]) -> tuple[Command, str]:
    """A run of the jobs, which has begun."""
    textgen = make_command(folder, namespace, jobs, engine[1])
    return textgen, submit(textgen)


def test_one_four_and_sixteen_shards_give_the_same_bytes(prompted: Namespace, tmp_path: Path) -> None:
    counts = {"one": 1, "four": 4, "sixteen": 16}
    settings: dict[str, Any] = {"model": MODEL[0], "max_new_tokens": 16, "parallelism": 2, "seed": 3}
    settings["num_return_sequences"] = 1
    jobs = "".join(write_job(name, shards=count, **settings) for name, count in counts.items())
    _, run = generate(tmp_path, prompted, jobs, MODEL)
    assert prompted.ended(run, 900)["status"]["phase"] == "Succeeded"
    texts = {name: read_texts(prompted, name) for name in counts}
    assert texts["one"].count(b"\n") == 64
    assert texts["four"] == texts["sixteen"] == texts["one"]


def test_a_run_that_was_stopped_computes_only_what_is_missing(prompted: Namespace, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"model": MODEL[0], "max_new_tokens": 40, "seed": 3}
    settings["num_return_sequences"] = 16
    each = 64 * 16 // 4
    jobs = write_job("stopped", shards=4, parallelism=2, **settings)
    textgen, run = generate(tmp_path, prompted, jobs, MODEL)

    def one_is_done_and_others_run() -> Any:
        shards = open_shards(prompted, run, "stopped")
        missing = [index for index in range(4) if not shards.read_result(index)]
        pods = [pod for index in missing if (pod := find_pod(prompted, run, index, "stopped"))]
        return len(missing) < 4 and any(0 < count_rows(prompted, pod) < each / 2 for pod in pods)

    until(one_is_done_and_others_run, "a shard that is done and another that has begun", 900, every=1)
    textgen("stop", run)
    assert prompted.ended(run)["status"]["phase"] == "Failed"
    until(lambda: have_ended(prompted, run, "stopped"), "the pods to have stored what they had", 300)
    shards = open_shards(prompted, run, "stopped")
    stored = {index: count_stored_rows(shards, index) for index in range(4)}
    done = {index for index in range(4) if shards.read_result(index)}
    assert done
    assert any(stored[index] for index in range(4) if index not in done)
    before = {pod["metadata"]["uid"] for pod in prompted.pods(run, "stopped")}
    textgen("retry", run, "--detach")
    assert prompted.ended(run, 900)["status"]["phase"] == "Succeeded"
    lines = textgen("logs", run, "stopped").splitlines()
    for index in range(4):
        begun = [line for line in lines if line.startswith(f"shard {index}: {each} texts, of which")]
        rows = 0 if index in done else stored[index]
        assert begun[-1] == f"shard {index}: {each} texts, of which {rows} are stored"
    kept = {pod["metadata"]["uid"] for pod in prompted.pods(run, "stopped")} & before
    assert len(kept) == len(done) + 1  # the plan's, too
    undisturbed = write_job("undisturbed", shards=2, **settings)
    _, other = generate(tmp_path, prompted, undisturbed, MODEL)
    assert prompted.ended(other, 900)["status"]["phase"] == "Succeeded"
    assert read_texts(prompted, "stopped") == read_texts(prompted, "undisturbed")


def test_prompts_and_texts_may_be_parquet(prompted: Namespace, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    rows = [{"id": str(row), "prompt": f"Question {row}:"} for row in range(8)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "tables" / "prompts.parquet")
    prompted.datasets.commit_version(DatasetRef("tables"), tmp_path / "tables", lineage={})
    jobs = write_job("columns", shards=2, engine="echo", format="parquet", num_return_sequences=1)
    _, run = generate(tmp_path, prompted, jobs.replace("ref: questions", "ref: tables"), ECHO)
    assert prompted.ended(run)["status"]["phase"] == "Succeeded"
    (version,) = prompted.datasets.versions(DatasetRef("columns"))
    files = [file.path for file in prompted.datasets.manifest(version).files if file.path.endswith("parquet")]
    assert len(files) == 2
    bodies = [io.BytesIO(prompted.datasets.read_file(version, file)) for file in files]
    assert sum(parquet.read_table(body).num_rows for body in bodies) == 8


def test_argo_counts_the_texts_while_they_are_made(prompted: Namespace, tmp_path: Path) -> None:
    """Once a minute; it counts the plan's pod, too."""
    settings: dict[str, Any] = {"model": MODEL[0], "max_new_tokens": 40, "num_return_sequences": 60}
    textgen, run = generate(tmp_path, prompted, write_job("counted", shards=1, **settings), MODEL)
    texts = 64 * 60

    def is_counted() -> bool:
        done, count = map(int, prompted.get(run)["status"].get("progress", "0/0").split("/"))
        return 1 < done < count == texts + 1

    until(is_counted, "Argo to count some of the texts", 900, every=2)
    progress = read_job(textgen, run, "counted")["progress"]
    assert progress["texts"] == texts
    assert 0 < progress["done"] < texts
    textgen("stop", run)
    prompted.ended(run)


def have_ended(namespace: Namespace, run: str, job: str) -> bool:
    return all(pod["status"]["phase"] in {"Succeeded", "Failed"} for pod in namespace.pods(run, job))


@pytest.mark.soak
def test_a_hundred_shards_end_and_the_status_is_small(prompted: Namespace, tmp_path: Path) -> None:
    """Argo compresses the nodes of a Workflow of more than 1 MiB."""
    sizes: dict[int, int] = {}
    for count in (1, 16, 100):
        name = f"echo-{count}"
        settings: dict[str, Any] = {"engine": "echo", "max_new_tokens": 8, "num_return_sequences": 2}
        jobs = write_job(name, shards=count, parallelism=10, **settings)
        textgen, run = generate(tmp_path, prompted, jobs, ECHO)
        workflow = prompted.ended(run, 1200)
        assert workflow["status"]["phase"] == "Succeeded"
        assert read_job(textgen, run, name)["progress"]["done_shards"] == count
        assert read_texts(prompted, name).count(b"\n") == 128
        sizes[count] = len(json.dumps(workflow["status"]["nodes"], separators=(",", ":")))
    shard = (sizes[100] - sizes[16]) / 84
    print(f"bytes of status.nodes: {sizes}; {sizes[1] + 999 * shard:.0f} for 1,000 shards")
    assert shard < 3000
