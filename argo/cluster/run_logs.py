"""The logs of a run's jobs, merged in the order of time."""

import heapq
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from argo.cluster import pods, workflow_status
from argo.cluster.api import Api
from argo.cluster.archived_logs import read_archived_log
from argo.cluster.container_logs import ContainerLogReader
from argo.cluster.follow_run import RunSnapshot, follow_run
from argo.cluster.log_lines import EARLIEST, MOST_OPEN, Log, LogLine, merge_logs, parse_timestamp
from argo.cluster.objects import Pod
from argo.cluster.stored_logs import KeptLog, read_stored_logs
from argo.cluster.workflow_nodes import Part, get_attempts, get_nodes, line_prefix, parse_part

# Seconds for which a line waits for older lines of other pods.
_MERGE_WINDOW = 0.15

# Of more containers than may be followed at one time, the lines of some come when others have ended.
_OPEN = threading.BoundedSemaphore(MOST_OPEN)

_Lines = queue.SimpleQueue[LogLine | Exception]


def read_logs(api: Api, snapshot: RunSnapshot, jobs: set[str], part: Part | None = None) -> Iterator[LogLine]:
    """What the jobs have printed so far, or of a generation one part. Raises ClusterError."""
    readers = [
        ContainerLogReader(api, pod, container)
        for pod in snapshot.pods
        if pods.job_name(pod) in jobs and part in (None, pods.part(pod))
        for container in _started_containers(pod)
    ]
    yield from heapq.merge(_read_kept(api, snapshot, jobs, part), merge_logs(map(_read_log, readers)))


def read_last_lines(api: Api, snapshot: RunSnapshot, job: str, count: int) -> list[str]:
    """The last lines that a job has printed, or of a generation the part that failed first.

    Raises ClusterError.
    """
    generation = workflow_status.get_generations(snapshot.workflow).get(job)
    lines = read_logs(api, snapshot, {job}, generation.first_failed if generation else None)
    return [line.text for line in deque(lines, maxlen=count)]


def follow_logs(
    api: Api, name: str, jobs: set[str], stopped: threading.Event | None = None
) -> Iterator[LogLine]:
    """What the jobs have printed, and print from now on, until all of them or the run have ended.

    If `stopped` is set, it ends within a second, and its threads soon after. Raises ClusterError and
    UnknownReferenceError.
    """
    lines: _Lines = queue.SimpleQueue()
    threads: dict[tuple[str, str], threading.Thread] = {}
    snapshot = None
    stopped = stopped or threading.Event()
    for snapshot in follow_run(api, name):
        new_readers = [
            ContainerLogReader(api, pod, container, stopped)
            for pod in snapshot.pods
            if pods.job_name(pod) in jobs
            for container in _started_containers(pod)
            if (pod["metadata"]["uid"], container) not in threads
        ]
        if not threads:  # everything up to now, exactly in order
            yield from merge_logs(map(_read_log, new_readers))
        for reader in new_readers:
            thread = threading.Thread(target=_put_lines, args=(reader, lines), daemon=True)
            threads[reader.pod["metadata"]["uid"], reader.container] = thread
            thread.start()
        yield from _take_sorted(lines)
        run = snapshot.record
        if stopped.is_set():
            return
        if all(run.jobs[job].phase.ended for job in jobs & run.jobs.keys()):
            break
    while any(thread.is_alive() for thread in threads.values()) and not stopped.is_set():
        yield from _take_sorted(lines)
    yield from _take_sorted(lines)
    if snapshot:
        uids = {uid for uid, _ in threads}
        followed = tuple(pod for pod in snapshot.pods if pod["metadata"]["uid"] in uids)
        yield from _read_kept(api, replace(snapshot, pods=followed), jobs)


def _started_containers(pod: Pod) -> list[str]:
    states = pods.container_states(pod)
    return [
        name for name in pods.container_names(pod) if states.get(name, {}).keys() & {"running", "terminated"}
    ]


def _read_log(reader: ContainerLogReader) -> Log:
    state = pods.container_states(reader.pod).get(reader.container, {})
    times: Mapping[str, Any] = state.get("terminated") or state.get("running") or {}
    started = times.get("startedAt")
    return Log(parse_timestamp(started) if started else EARLIEST, reader.read_lines(follow=False))


def _put_lines(reader: ContainerLogReader, lines: _Lines) -> None:
    try:
        with _OPEN:
            for line in reader.read_lines(follow=True):
                lines.put(line)
    except Exception as error:
        lines.put(error)


def _take_sorted(lines: _Lines) -> Iterator[LogLine]:
    """The lines that came in, and those that follow closely, oldest first."""
    taken: list[LogLine] = []
    end = time.monotonic() + _MERGE_WINDOW
    with suppress(queue.Empty):
        while True:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
            if isinstance(line, Exception):
                raise line
            taken.append(line)
    yield from sorted(taken)


def _read_kept(
    api: Api, snapshot: RunSnapshot, jobs: set[str], part: Part | None = None
) -> Iterator[LogLine]:
    """The logs of attempts whose pods are not in the snapshot: in the store, or in Argo's archive."""
    existing = {pods.node_id(pod) for pod in snapshot.pods}
    workflow = snapshot.workflow
    nodes = get_nodes(workflow)
    attempts = [
        (job, attempt)
        for job, node in workflow_status.get_job_nodes(workflow).items()
        for attempt in (get_attempts(node, nodes) if job in jobs else ())
        if attempt["id"] not in existing and attempt.get("startedAt")
        if part in (None, parse_part(attempt.get("name", "")))
    ]
    if not attempts:
        return
    if workflow_status.get_spec(workflow).get("archiveLogs"):  # compiled by an earlier release
        for job, attempt in attempts:
            yield from read_archived_log(api, workflow, job, attempt)
    else:
        kept = [
            KeptLog(
                job, attempt["id"], attempt["startedAt"], line_prefix(parse_part(attempt.get("name", "")))
            )
            for job, attempt in attempts
        ]
        yield from read_stored_logs(api, workflow["metadata"]["uid"], kept)
