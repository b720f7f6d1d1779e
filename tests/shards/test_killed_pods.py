"""Pods that are killed and made again: the version is the same, and a row is rarely made twice."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from job.datasets import Datasets
from job.errors import StoreError
from job.pod.shards import files, parts
from job.pod.shards.parts import Position
from tests.shards.pods import ANSWERS, JOB, RUN, Generation
from tests.storage.proxy import NONE, Fault, Proxy
from tests.storage.servers import on_every_server

Generate = Callable[..., Generation]

CHANGES = ("put_if_absent", "upload")  # all others of a folder lead to them


class Killed(BaseException):
    """The process is gone."""


def kill_after(store: Any, number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Kill after that change of the store, before the process knows of it; whether it came to that."""
    done = 0

    def wrap(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any) -> Any:
            nonlocal done
            result = change(*arguments)
            done += 1
            if done == number:
                raise Killed
            return result

        return changed

    for name in CHANGES:
        monkeypatch.setattr(store, name, wrap(getattr(store, name)))
    return lambda: done >= number


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of some rows, and files of some more."""
    monkeypatch.setattr(parts, "PART", 400)
    monkeypatch.setattr(files, "FILE_LIMIT", 700)


def run_shard(generation: Generation, index: int) -> None:
    """A pod whose main generates in two steps."""
    pod = generation.start(index)
    pod.run_main(rows=max(4, pod.fetched.rows))
    pod.sender.send_due()
    pod.run_main()
    generation.commit(pod)


def until_it_ends(pod: Callable[[], object], *errors: type[BaseException]) -> None:
    """Make a pod again for as long as it dies."""
    for _ in range(8):
        try:
            pod()
        except errors:
            continue
        return
    raise AssertionError("the pod died again and again")


def run_all(generation: Generation, *errors: type[BaseException]) -> None:
    until_it_ends(generation.plan, *errors)
    for index in range(generation.count):
        until_it_ends(partial(run_shard, generation, index), *errors)
    until_it_ends(generation.join, *errors)


@pytest.mark.usefixtures("small_parts")
def test_a_kill_after_any_change_of_the_store(
    generate: Generate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = generate((tmp_path / "first").as_uri(), 1)
    shutil.copytree(tmp_path / "first", tmp_path / "empty")
    expected = first.read_texts(first.run())
    for number in count(1):
        root = tmp_path / str(number)
        shutil.copytree(tmp_path / "empty", root)
        generation = Generation(Datasets.at(root.as_uri()), tmp_path / "pods", 1, monkeypatch)
        with monkeypatch.context() as patch:
            killed = kill_after(generation.datasets.store, number, patch)
            run_all(generation, Killed)
        [version] = generation.datasets.versions(ANSWERS)
        assert generation.read_texts(version) == expected
        assert list(generation.datasets.verify(version)) == []
        only_the_version_is_left(generation)
        shutil.rmtree(root)
        if not killed():
            break
    assert number > 20


def only_the_version_is_left(generation: Generation) -> None:
    store = generation.datasets.store
    list(generation.datasets.collect_garbage(timedelta(0)))
    left = {item.key for item in store.list_objects(f"runs/{RUN}/")}
    assert left == {
        f"runs/{RUN}/resolved.json",
        f"runs/{RUN}/jobs/{JOB}.json",
        f"runs/{RUN}/shards/{JOB}/over.json",
    }


@on_every_server
@pytest.mark.usefixtures("small_parts", "no_waiting")
@pytest.mark.parametrize(
    ("fault", "interval"),
    [(Fault(drop=True), 7), (Fault(answer=503), 7), (Fault(cut=True), 41)],
    ids=["lost", "503", "cut"],
)
def test_a_bad_network_makes_one_version(
    generate: Generate, behind: str, proxy: Proxy, fault: Fault, interval: int
) -> None:
    """Every seventh request is hit, and fewer if nobody sends it again."""
    generation = generate(behind, 2)
    proxy.fault = lambda request: fault if request.number % interval == 0 else NONE
    run_all(generation, StoreError)
    proxy.fault = lambda _: NONE
    [version] = generation.datasets.versions(ANSWERS)
    assert list(generation.datasets.verify(version)) == []
    record = json.loads(generation.datasets.read_file(version, "run.json"))
    assert generation.read_texts(version).count(b"\n") == record["rows"] == 17


@pytest.mark.usefixtures("small_parts")
def test_a_new_pod_makes_only_what_was_not_stored(generate: Generate, folder: str) -> None:
    generation = generate(folder, 1)
    generation.plan()
    pod = generation.start(0)
    pod.run_main(rows=9)
    pod.sender.send_due()  # what follows the last whole part is lost
    following = generation.start(0)
    assert 0 < following.fetched.rows < 9
    following.run_main()
    assert following.record()["resumed_at"] == following.fetched.rows


@pytest.mark.usefixtures("small_parts")
def test_a_part_that_was_damaged_in_the_store_is_made_again(generate: Generate, folder: str) -> None:
    first = generate(folder, 1)
    expected = first.read_texts(first.run())
    generation = generate(f"{folder}-2", 1)
    generation.plan()
    pod = generation.start(0)
    pod.run_main(rows=9)
    pod.sender.send_rest()
    store = generation.datasets.store
    keys = [item.key for item in store.list_objects(f"{generation.shards.shard_prefix(0)}parts/")]
    store.put(keys[1], store.get(keys[1]).swapcase())
    assert generation.start(0).fetched.rows == int(keys[0].split("-")[-2])
    generation.run_shard(0)
    assert generation.read_texts(generation.join()) == expected


@pytest.mark.parametrize("body", [None, b"", b"[]", b"no"])
def test_texts_without_a_run_json_are_made_again(generate: Generate, folder: str, body: bytes | None) -> None:
    generation = generate(folder, 1)
    generation.plan()
    pod = generation.start(0)
    pod.run_main(rows=9)
    pod.sender.send_rest()
    key = f"{generation.shards.shard_prefix(0)}run.json"
    generation.datasets.store.put(key, body) if body is not None else generation.datasets.store.delete([key])
    assert generation.start(0).fetched == Position()
    generation.run_shard(0)
    assert generation.join().files == 2


def test_two_pods_of_one_shard_and_of_the_plan_make_one_version(generate: Generate, folder: str) -> None:
    """A node was lost, and its pod goes on with its work."""
    generation = generate(folder, 2)
    read_plan = generation.shards.read_plan
    generation.plan()
    first = read_plan()
    with generation.monkeypatch.context() as patch:
        patch.setattr(type(generation.shards), "read_plan", lambda _: None)
        generation.plan()
    assert read_plan() == first
    lost, new = generation.start(0), generation.start(0)
    lost.run_main(rows=3)
    lost.sender.send_rest()
    new.run_main()
    generation.commit(new)
    lost.run_main()
    generation.commit(lost)
    generation.run_shard(1)
    version = generation.join()
    assert generation.read_texts(version).count(b"\n") == 17
    assert list(generation.datasets.verify(version)) == []
