"""A process that dies at any point of a change: nothing is lost, nothing is half there."""

import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from itertools import count
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from job.datasets import Datasets, Producer, layout
from job.datasets.latest_index import read_hints
from tests.datasets import writers
from tests.datasets.writers import DEMO
from tests.storage.proxy import NONE, Fault, Proxy, Request
from tests.storage.servers import on_every_server

Make = Callable[..., Path]


def whole(datasets: Datasets) -> set[str]:
    """The versions that are visible; each is complete."""
    versions = datasets.versions(DEMO)
    for version in versions:
        assert list(datasets.verify(version)) == []
    assert datasets.resolve(DEMO) == versions[0]
    assert [item.latest for item in datasets.datasets()] == [versions[0].id]
    return {version.id for version in versions}


def only_versions_are_left(datasets: Datasets) -> None:
    """What garbage collection leaves are the visible versions, the log and the store's note."""
    list(datasets.collect_garbage(timedelta(0)))
    live = {version.id for version in datasets.versions(DEMO)}
    prefix = layout.dataset_prefix(DEMO)
    for item in datasets.store.list_objects(""):
        kind, _, rest = item.key.removeprefix(prefix).partition("/")
        version = rest.partition("/")[0].removesuffix(".json")
        assert kind in {"log", "store.json", ".clock", ".heads"} or version in live, item.key
    assert [len(numbers) for numbers in read_hints(datasets.store).values()] == [1]


def dies(processes: ForkServerContext, action: str, url: str, source: Path, root: str, number: int) -> bool:
    counted = processes.Value("i", 0)
    process = processes.Process(
        target=writers.killed_at, args=(action, url, source, root, number, counted), daemon=True
    )
    process.start()
    process.join(60)
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


@pytest.mark.parametrize("action", ["commit", "tag", "delete", "gc"])
def test_a_kill_before_any_change_of_a_folder(
    processes: ForkServerContext, tmp_path: Path, make: Make, action: str
) -> None:
    datasets = Datasets.at((tmp_path / "first").as_uri())
    first = datasets.commit_version(DEMO, make({"a": "1"}), lineage={})
    other = datasets.commit_version(DEMO, make({"a": "2", "b": "3"}), lineage={})
    if action == "gc":
        datasets.delete(other)
    source = make({"sub/a": "new"}) if action == "commit" else tmp_path / other.id
    before = whole(datasets)

    for number in count(1):
        root = tmp_path / f"killed at {number}"
        shutil.copytree(tmp_path / "first", root)
        after = Datasets.at(root.as_uri())
        died = dies(processes, action, root.as_uri(), source, str(root), number)

        visible = whole(after)
        assert len(visible - before) <= (action == "commit")
        assert (before if action in {"commit", "tag"} else {first.id}) <= visible
        if died and (action != "delete" or other.id in visible):  # the killed command is repeated
            writers.ACTIONS[action](root.as_uri(), source)
        assert len(whole(after) - before) == (action == "commit")
        only_versions_are_left(after)
        shutil.rmtree(root)
        if not died:
            break
    assert number > {"commit": 10, "tag": 3, "delete": 3, "gc": 3}[action]


@on_every_server
def test_a_kill_around_any_request_to_s3(
    processes: ForkServerContext, s3: str, behind: str, proxy: Proxy, make: Make, boto: Any
) -> None:
    """Before a request is after the one before it; only the last one's answer is lost on its own."""
    datasets = Datasets.at(s3)
    latest = datasets.commit_version(DEMO, make({"a": "1"}), lineage={})
    known = [latest]
    connection, other_end = processes.Pipe()
    committing = processes.Process(target=writers.commit_each, args=(behind, other_end), daemon=True)
    committing.start()

    for number in count(0):
        source = make({"a": str(number), "large": os.urandom((8 << 20) + 1)})
        victim: Future[int] = Future()
        proxy.seen.clear()
        proxy.fault = _killing(victim, number)
        connection.send(source)
        victim.set_result(connection.recv())
        assert connection.poll(60)
        ending = connection.recv()
        assert ending in {0, -signal.SIGKILL}

        visible = datasets.versions(DEMO)
        assert visible[-len(known) :] == known
        assert len(visible) - len(known) <= 1
        assert datasets.resolve(DEMO) == visible[0]
        assert [item.latest for item in datasets.datasets()] == [visible[0].id]
        producer = Producer("run", source.name, "output")
        latest = datasets.commit_version(DEMO, source, lineage={}, producer=producer)  # the pod is made again
        assert datasets.versions(DEMO) == [latest, *known]
        assert visible in ([latest, *known], known)
        known.insert(0, latest)
        if ending == 0:
            break
    connection.send(None)
    committing.join(60)
    assert number > 10
    assert [line for version in known for line in datasets.verify(version)] == []
    only_versions_are_left(datasets)
    _, _, bucket, root = datasets.store.url.split("/", 3)
    left = boto.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    assert [upload for upload in left if upload["Key"].startswith(root)] == []


def _killing(victim: "Future[int]", number: int) -> Callable[[Request], Fault]:
    """Kill at the request with this number; with 0, when the log record has been stored."""

    def kill() -> None:
        os.kill(victim.result(60), signal.SIGKILL)

    def fault(request: Request) -> Fault:
        if number == 0 and request.conditional:
            return Fault(after=kill, drop=True)
        return Fault(before=kill, answer=503) if request.number == number else NONE

    return fault
