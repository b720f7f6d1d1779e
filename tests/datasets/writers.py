"""What tests do in processes of their own, some of which are killed."""

import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any, cast

from job.datasets import DatasetRef, Datasets, Producer, changes
from job.storage.s3.bucket import S3

DEMO = DatasetRef("demo")


def commit(url: str, source: Path) -> None:
    producer = Producer("run", source.name, "output")
    Datasets.at(url).commit_version(DEMO, source, lineage={}, producer=producer)


def tag(url: str, source: Path) -> None:
    changes.tag(Datasets.at(url).store, DEMO, source.name, "prod")


def delete(url: str, source: Path) -> None:
    changes.delete(Datasets.at(url).store, DEMO, source.name)


def gc(url: str, source: Path) -> None:
    from datetime import timedelta

    list(Datasets.at(url).collect_garbage(timedelta(0)))


ACTIONS = {"commit": commit, "tag": tag, "delete": delete, "gc": gc}
_CHANGES = {"open", "os.link", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}


def killed_at(action: str, url: str, source: Path, root: str, number: int, counted: Any) -> None:
    """Do something, and die at the `number`th time that this changes something below `root`."""
    count = 0
    lock = threading.Lock()

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal count
        # the first two arguments of a link or a rename are paths; an open's second one is its mode
        if event in _CHANGES and any(str(arg).startswith(root) for arg in args[:2]):
            if event == "open" and not set("wxa+") & set(str(args[1] or "")):
                return
            with lock:
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = lambda fd: None  # noqa: ARG005 - this kills processes, not machines
    sys.addaudithook(hook)
    ACTIONS[action](url, source)
    counted.value = count


def commit_each(url: str, asked: Any) -> None:
    """Commit each folder that is asked for, in a process of its own; tell its id, and how it ended.

    Those are forked from here, where the clients are made and have asked nothing yet: making them takes
    longer than a commit.
    """
    datasets = Datasets.at(url)
    clients = cast(S3, datasets.store)._clients
    assert clients.retrying and clients.once
    while source := asked.recv():
        process = os.fork()
        if process == 0:
            datasets.commit_version(DEMO, source, lineage={}, producer=Producer("run", source.name, "output"))
            os._exit(0)
        asked.send(process)
        asked.send(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


def several(url: str, source: Path, times: int, acknowledged: Any) -> None:
    """Commit some times and tag each, telling the versions that were acknowledged."""
    datasets = Datasets.at(url)
    versions = []
    for _ in range(times):
        version = datasets.commit_version(DEMO, source, lineage={})
        datasets.tag(version, f"by-{source.name}")
        versions.append(version.id)
    acknowledged.put((source.name, versions))


def fetch(url: str, ref: str, target: Path) -> None:
    datasets = Datasets.at(url)
    datasets.fetch(datasets.resolve(DatasetRef.parse(ref)), target)


def commit_and_fetch(url: str, source: Path, target: Path, sender: Any) -> None:
    """Commit a folder and fetch it; send the peak memory before and after, in bytes."""
    datasets = Datasets.at(url)
    datasets.put(DEMO, [(source / "small", "small")], lineage={})
    before = _peak()
    datasets.fetch(datasets.commit_version(DEMO, source, lineage={}), target)
    sender.send((before, _peak()))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
