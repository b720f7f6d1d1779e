"""The logs of a run's jobs, merged in the order of time."""

import heapq
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from argo.cluster import archived_logs, pods, workflow_status
from argo.cluster.api import Api, Object
from argo.cluster.container_logs import ContainerLogReader, LogLine
from argo.cluster.follow import RunSnapshot, follow_run
from job.errors import ClusterError

# How long a line may wait for one of another pod that is older.
_TOGETHER = 0.15


def read_logs(api: Api, sight: RunSnapshot, jobs: set[str]) -> Iterator[LogLine]:
    """What the jobs have printed so far. Raises ClusterError."""
    readers = [
        ContainerLogReader(api, pod, name)
        for pod in sight.pods
        if pods.job_name(pod) in jobs
        for name in _started(pod)
    ]
    yield from heapq.merge(_archived(api, sight, jobs), *(reader.lines(follow=False) for reader in readers))


def read_last_lines(api: Api, sight: RunSnapshot, job: str, count: int) -> list[str]:
    """The end of what a job has printed. Raises ClusterError."""
    return [line.text for line in deque(read_logs(api, sight, {job}), maxlen=count)]


def follow_logs(api: Api, name: str, jobs: set[str]) -> Iterator[LogLine]:
    """What the jobs have printed, and go on printing until all of them, or the run, have ended.

    Raises ClusterError and UnknownReferenceError.
    """
    found: queue.SimpleQueue[LogLine | ClusterError] = queue.SimpleQueue()
    readers: dict[tuple[str, str], threading.Thread] = {}
    sight = None
    for sight in follow_run(api, name):
        fresh = [
            ContainerLogReader(api, pod, container)
            for pod in sight.pods
            if pods.job_name(pod) in jobs
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
        gone = RunSnapshot(sight.workflow, tuple(pod for pod in sight.pods if pod["metadata"]["uid"] in seen))
        yield from _archived(api, gone, jobs)


def _started(pod: Object) -> list[str]:
    known = pods.container_states(pod)
    return [
        each for each in pods.container_names(pod) if known.get(each, {}).keys() & {"running", "terminated"}
    ]


def _read(reader: ContainerLogReader, found: "queue.SimpleQueue[LogLine | ClusterError]") -> None:
    try:
        for line in reader.lines(follow=True):
            found.put(line)
    except ClusterError as error:
        found.put(error)


def _sorted(found: "queue.SimpleQueue[LogLine | ClusterError]") -> Iterator[LogLine]:
    """The lines that came in, and those that follow closely, oldest first."""
    lines: list[LogLine] = []
    end = time.monotonic() + _TOGETHER
    with suppress(queue.Empty):
        while True:
            line = found.get(timeout=max(0.0, end - time.monotonic()))
            if isinstance(line, ClusterError):
                raise line
            lines.append(line)
    yield from sorted(lines)


def _archived(api: Api, sight: RunSnapshot, jobs: set[str]) -> Iterator[LogLine]:
    """The stored logs of attempts whose pods are gone."""
    there = {pods.node_id(pod) for pod in sight.pods}
    found = workflow_status.get_nodes(sight.workflow)
    for job, node in workflow_status.get_job_nodes(sight.workflow).items():
        for attempt in workflow_status.get_attempts(node, found) if job in jobs else ():
            if attempt["id"] not in there:
                yield from archived_logs.read_archived_log(api, sight.workflow, job, attempt)
