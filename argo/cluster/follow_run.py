"""A run on the cluster and its pods, from now until the run ends."""

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from argo import kubernetes_names
from argo.cluster import pods
from argo.cluster.api import Api
from argo.cluster.generation_status import summarize
from argo.cluster.infinite_watch import watch_objects
from argo.cluster.objects import Pod, Workflow
from argo.cluster.workflow_nodes import Part
from argo.cluster.workflow_status import build_run_record
from argo.runs import RunRecord
from job.errors import ClusterError, UnknownReferenceError
from job.text import did_you_mean

_TICK = 0.5  # seconds: a snapshot comes at least this often
_NOT_PICKED_UP = 10  # seconds after which a controller should have started a run
_UNEXPLAINED = 5  # seconds of waiting after which a pod's events are read

# Which watch it comes from, and all objects of that watch; or the error that ended it.
_Changes = queue.SimpleQueue[tuple[str, list[Any]] | ClusterError]


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """What is known at one moment: the Workflow, its pods, and why jobs wait ("": why the run waits)."""

    workflow: Workflow
    pods: tuple[Pod, ...] = ()
    wait_reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return bool((self.workflow.get("status") or {}).get("finishedAt"))

    @property
    def record(self) -> RunRecord:
        """The run, with what its pods say about jobs that wait or have failed."""
        run = build_run_record(self.workflow, pods.out_of_memory_reasons(self.pods))
        steps = pods.list_steps(self.pods)
        jobs = {}
        for name, job in run.jobs.items():
            message = "" if job.message in pods.USUAL_WAITS else job.message
            reason = "" if job.phase.ended else self.wait_reasons.get(name, "")
            both = "; ".join(filter(None, (message, reason)))  # other pods of it may have failed
            message = both if job.progress else reason or message
            jobs[name] = replace(job, message=message, steps=steps.get(name, ()))
        return replace(run, jobs=jobs, message=run.message or self.wait_reasons.get("", ""))


def get_workflow(api: Api, name: str) -> Workflow:
    """The run's Workflow. Raises UnknownReferenceError, naming the nearest."""
    workflow: Workflow | None = api.find(api.workflow_path(name))
    if workflow is None:
        names = [each["metadata"]["name"] for each in api.list_items(api.workflow_path())]
        hint = did_you_mean(name, names, f"textgen list {api.options} shows all runs")
        raise UnknownReferenceError(f"no run {name!r} in {api}; {hint}")
    return workflow


def get_snapshot(api: Api, name: str) -> RunSnapshot:
    """The run as it is now. Raises UnknownReferenceError and ClusterError."""
    snapshot = RunSnapshot(get_workflow(api, name), tuple(pods.sort_by_age(pods.list_pods(api, name))))
    return _WaitReasons(api).add_to(snapshot, now=True)


def follow_run(api: Api, name: str) -> Iterator[RunSnapshot]:
    """The run at first, at each change and at least every half second; the last time when it has ended.

    Its threads end soon after the iterator is closed.

    Raises UnknownReferenceError if there is no such run, and ClusterError if it is deleted meanwhile or the
    cluster refuses.
    """
    get_workflow(api, name)
    changes: _Changes = queue.SimpleQueue()
    stopped = threading.Event()
    for kind, path, selector in (
        ("workflow", api.workflow_path(), {"fieldSelector": f"metadata.name={name}"}),
        ("pods", api.core_path("pods"), {"labelSelector": f"{kubernetes_names.ARGO_WORKFLOW}={name}"}),
    ):
        threading.Thread(
            target=_watch,
            args=(changes, stopped, kind, api, path, selector),
            name=f"watch {kind}",
            daemon=True,
        ).start()
    try:
        yield from _snapshots(api, name, changes)
    finally:
        stopped.set()


def _snapshots(api: Api, name: str, changes: _Changes) -> Iterator[RunSnapshot]:
    latest: dict[str, list[Any]] = {}
    wait_reasons = _WaitReasons(api)
    while True:
        try:
            change = changes.get(timeout=_TICK)
            if isinstance(change, ClusterError):
                raise change
            kind, objects = change
            latest[kind] = objects
        except queue.Empty:
            pass
        if len(latest) < 2:
            continue
        if not latest["workflow"]:
            raise ClusterError(f"{name}: the run was deleted while it was followed")
        snapshot = RunSnapshot(latest["workflow"][0], tuple(pods.sort_by_age(latest["pods"])))
        yield wait_reasons.add_to(snapshot)
        if snapshot.ended:
            return


def _watch(
    changes: _Changes,
    stopped: threading.Event,
    kind: str,
    api: Api,
    path: str,
    selector: Mapping[str, str],
) -> None:
    try:
        for objects in watch_objects(api, path, stopped, **selector):
            changes.put((kind, list(objects.values())))
    except ClusterError as error:
        changes.put(error)


class _WaitReasons:
    """Finds out why jobs wait; remembers since when, and what the events said."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._due: dict[str, float] = {}  # when a wait has lasted long enough to look further
        self._explained: dict[str, str] = {}

    def add_to(self, snapshot: RunSnapshot, *, now: bool = False) -> RunSnapshot:
        """The snapshot with reasons. Events are read only for a wait of some seconds, or `now`."""
        if snapshot.ended:
            return snapshot
        reasons: dict[str, str] = {}
        parts: dict[str, list[tuple[Part, Pod]]] = {}  # a generation's pods, by job
        for pod in snapshot.pods:
            if part := pods.part(pod):
                parts.setdefault(pods.job_name(pod), []).append((part, pod))
            else:
                reasons[pods.job_name(pod)] = _find_reason(pod) or self._explain(pod, now)
        reasons |= {job: self._explain_parts(each, now) for job, each in parts.items()}
        picked_up = (snapshot.workflow.get("status") or {}).get("phase")
        if not picked_up and self._is_due("", _NOT_PICKED_UP, now):
            reasons[""] = (
                "no controller has picked it up: does Argo's workflow-controller run for this namespace?"
            )
        return replace(snapshot, wait_reasons={job: reason for job, reason in reasons.items() if reason})

    def _explain_parts(self, parts: list[tuple[Part, Pod]], now: bool) -> str:
        """Why the first one of many pods waits, and how many do for such a reason."""
        reasons = [(part, reason) for part, pod in parts if (reason := _find_reason(pod))]
        if reasons:
            return summarize(*reasons[0], len(reasons), "waiting")
        for part, pod in parts:
            if _is_waiting(pod):  # the events of one pod are enough
                reason = self._explain(pod, now)
                return f"{part}: {reason}" if reason else ""
        return ""

    def _explain(self, pod: Pod, now: bool) -> str:
        """What its events say of a pod that waits, or which container runs before the job's."""
        if not _is_waiting(pod):
            return ""
        uid = pod["metadata"]["uid"]
        if self._is_due(uid, _UNEXPLAINED, now):
            del self._due[uid]
            init_container = "" if pods.part(pod) else pods.running_init_container(pod)
            self._explained[uid] = pods.latest_warning(self._api, pod) or init_container
        return self._explained.get(uid, "")

    def _is_due(self, wait: str, seconds: float, now: bool) -> bool:
        time_now = time.monotonic()
        return time_now >= self._due.setdefault(wait, time_now if now else time_now + seconds)


def _is_waiting(pod: Pod) -> bool:
    return (pod.get("status") or {}).get("phase") == "Pending" and not pod["metadata"].get(
        "deletionTimestamp"
    )


def _find_reason(pod: Pod) -> str:
    """Why the pod does not go on, as far as it says so itself."""
    if (pod.get("status") or {}).get("phase") == "Running":
        return pods.node_unresponsive(pod)
    return pods.pending_reason(pod) if _is_waiting(pod) else ""
