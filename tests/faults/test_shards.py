"""A shard whose pods are lost, and Argo and the store away meanwhile: the same texts, and few made twice."""

import os
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster.command import Command
from tests.cluster.generation import (
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
from tests.cluster.kubernetes import Namespace, kubectl, until
from tests.faults.component import are_own, stopped

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive, pytest.mark.soak]

SHARDS, TEXTS = 2, 64 * 10
SETTINGS: dict[str, Any] = {
    "model": MODEL[0],
    "max_new_tokens": 40,
    "num_return_sequences": 10,
    "seed": 3,
}
EACH = TEXTS // SHARDS
AWAY = 15  # seconds


def store_answers() -> bool:
    endpoint = urlsplit(os.environ["S3_ENDPOINT"])
    with socket.socket() as client:
        return client.connect_ex((endpoint.hostname, endpoint.port)) == 0


def delete_in_third(namespace: Namespace, textgen: Command, run: str, third: int) -> tuple[int, int]:
    """Delete the pod of the first shard by force in a third of its rows: the rows that it had, and stored."""
    shards = open_shards(namespace, run, "write")

    def find_due() -> tuple[dict[str, Any], int] | None:
        pod = find_pod(namespace, run, 0, "write")
        rows = count_rows(namespace, pod) if pod else 0
        return (pod, rows) if pod and rows > third * EACH / 3 + 10 else None

    pod, rows = until(find_due, f"third {third + 1} of the shard", 900, every=1)
    assert rows <= (third + 1) * EACH / 3
    stored = count_stored_rows(shards, 0)
    words = ("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0", "--wait=false")
    kubectl("-n", namespace.name, *words)
    namespace.lost(run, "write", pod["metadata"]["uid"], 300)
    return rows, stored


def test_a_lost_shard_goes_on_after_its_last_part(restricted: Namespace, tmp_path: Path) -> None:
    if not are_own():
        pytest.skip("the cluster's components are not this machine's own processes")
    commit_prompts(restricted, tmp_path / "files")
    jobs = write_job("write", shards=SHARDS, **SETTINGS)
    textgen = make_command(tmp_path, restricted, jobs, MODEL[1])
    run = submit(textgen)
    lost = []
    for third in range(3):
        lost.append(delete_in_third(restricted, textgen, run, third))
        if third == 1:
            with stopped("argo", lambda: True), stopped("minio", store_answers):
                time.sleep(AWAY)  # the fault itself, not a wait for something
    workflow = restricted.ended(run, 900)
    assert workflow["status"]["phase"] == "Succeeded"
    print("rows that a lost pod had, and stored:", lost)

    lines = textgen("logs", run, "write").splitlines()
    begun = [line for line in lines if line.startswith(f"shard 0: {EACH} texts, of which")]
    resumed = int(begun[-1].split()[-3])
    assert resumed >= lost[-1][1]  # no row that was stored is made again
    progress = read_job(textgen, run, "write")["progress"]
    assert (progress["done"], progress["texts"]) == (TEXTS, TEXTS)

    undisturbed = make_command(tmp_path, restricted, write_job("alone", shards=1, **SETTINGS), MODEL[1])
    assert restricted.ended(submit(undisturbed), 900)["status"]["phase"] == "Succeeded"
    assert read_texts(restricted, "write") == read_texts(restricted, "alone")


def test_a_shard_that_was_out_of_memory_goes_on(restricted: Namespace, tmp_path: Path) -> None:
    commit_prompts(restricted, tmp_path / "files")
    settings = {**SETTINGS, "num_return_sequences": 4}
    jobs = write_job("hungry", shards=1, **settings) + write_job("fed", shards=1, **settings)
    textgen = make_command(tmp_path, restricted, jobs, MODEL[1])
    run = submit(textgen)

    def find_due() -> dict[str, Any] | None:
        pod = find_pod(restricted, run, 0, "hungry")
        return pod if pod and count_rows(restricted, pod) > 20 else None

    pod = until(find_due, "twenty texts of the shard", 900, every=1)
    # Files in memory count for the container, and for no process: main is killed when it asks for more.
    fill = ("exec", pod["metadata"]["name"], "-c", "main", "--", "sh", "-c", "cat /dev/zero > /dev/shm/full")
    kubectl("-n", restricted.name, *fill, check=False)
    workflow = restricted.ended(run, 900)
    assert workflow["status"]["phase"] == "Succeeded"
    messages = [node.get("message", "") for node in workflow["status"]["nodes"].values()]
    assert any("OOMKilled" in message or "137" in message for message in messages), messages
    begun = [line for line in textgen("logs", run, "hungry").splitlines() if ", of which" in line]
    assert int(begun[-1].split()[-3]) > 20
    assert read_texts(restricted, "hungry") == read_texts(restricted, "fed")
