"""The logs of a run's jobs, merged in the order of time."""

import heapq
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from argo.cluster import archive, pods, run
from argo.cluster.api import Api, Object
from argo.cluster.follow import Sight, follow
from argo.cluster.logs import Line, Reader
from job.errors import ClusterError

# How long a line may wait for one of another pod that is older.
_TOGETHER = 0.15


def printed(api: Api, sight: Sight, jobs: set[str]) -> Iterator[Line]:
    """What the jobs have printed so far. Raises ClusterError."""
    readers = [
        Reader(api, pod, name) for pod in sight.pods if pods.job(pod) in jobs for name in _started(pod)
    ]
    yield from heapq.merge(_archived(api, sight, jobs), *(reader.lines(follow=False) for reader in readers))


def last(api: Api, sight: Sight, job: str, count: int) -> list[str]:
    """The end of what a job has printed. Raises ClusterError."""
    return [line.text for line in deque(printed(api, sight, {job}), maxlen=count)]


def following(api: Api, name: str, jobs: set[str]) -> Iterator[Line]:
    """What the jobs have printed, and go on printing until all of them, or the run, have ended.

    Raises ClusterError and UnknownReferenceError.
    """
    found: queue.SimpleQueue[Line | ClusterError] = queue.SimpleQueue()
    readers: dict[tuple[str, str], threading.Thread] = {}
    sight = None
    for sight in follow(api, name):
        fresh = [
            Reader(api, pod, container)
            for pod in sight.pods
            if pods.job(pod) in jobs
            for container in _started(pod)
            if (pod["metadata"]["uid"], container) not in readers
        ]
        if not readers:  # everything up to now, exactly in order
            yield from heapq.merge(*(reader.lines(follow=False) for reader in fresh))
        for reader in fresh:
            key = (reader.pod["metadata"]["uid"], reader.container)
            readers[key] = threading.Thread(target=_read, args=(reader, found), daemon=True)
            readers[key].start()
        yield from _sorted(found)
        record = sight.record
        if all(record.jobs[job].phase.ended for job in jobs & record.jobs.keys()):
            break
    while any(thread.is_alive() for thread in readers.values()):
        yield from _sorted(found)
    yield from _sorted(found)
    if sight:
        seen = {uid for uid, _ in readers}
        gone = Sight(sight.workflow, tuple(pod for pod in sight.pods if pod["metadata"]["uid"] in seen))
        yield from _archived(api, gone, jobs)


def _started(pod: Object) -> list[str]:
    known = pods.states(pod)
    return [each for each in pods.containers(pod) if known.get(each, {}).keys() & {"running", "terminated"}]


def _read(reader: Reader, found: "queue.SimpleQueue[Line | ClusterError]") -> None:
    try:
        for line in reader.lines(follow=True):
            found.put(line)
    except ClusterError as error:
        found.put(error)


def _sorted(found: "queue.SimpleQueue[Line | ClusterError]") -> Iterator[Line]:
    """The lines that came in, and those that follow closely, oldest first."""
    lines: list[Line] = []
    end = time.monotonic() + _TOGETHER
    with suppress(queue.Empty):
        while True:
            line = found.get(timeout=max(0.0, end - time.monotonic()))
            if isinstance(line, ClusterError):
                raise line
            lines.append(line)
    yield from sorted(lines)


def _archived(api: Api, sight: Sight, jobs: set[str]) -> Iterator[Line]:
    """The stored logs of attempts whose pods are gone."""
    there = {pods.node(pod) for pod in sight.pods}
    found = run.nodes(sight.workflow)
    for job, node in run.job_nodes(sight.workflow).items():
        for attempt in run.attempts(node, found) if job in jobs else ():
            if attempt["id"] not in there:
                yield from archive.lines(api, sight.workflow, job, attempt)
