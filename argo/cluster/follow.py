"""A run on the cluster and its pods, from now until it ends."""

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from argo import object_names
from argo.cluster import pods, workflow_status
from argo.cluster.api import Api, Object
from argo.cluster.watch import watch_objects
from argo.runs import Phase, RunRecord
from job.errors import ClusterError, UnknownReferenceError
from job.text import did_you_mean

_TICK = 0.5  # seconds: how often somebody who waits is looked after
_UNTAKEN = 10  # seconds after which a controller should have taken a run
_UNEXPLAINED = 5  # seconds of waiting after which a pod's events are read

_Changes = queue.SimpleQueue[tuple[str, tuple[Object, ...]] | ClusterError]


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """What is known at one moment: the Workflow, and its pods, oldest first."""

    workflow: Object
    pods: tuple[Object, ...] = ()
    waits: Mapping[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return bool((self.workflow.get("status") or {}).get("finishedAt"))

    @property
    def record(self) -> RunRecord:
        """The run, with what its pods say about jobs that wait or have failed."""
        found = workflow_status.to_run_record(self.workflow)
        memory = pods.out_of_memory_reasons(self.pods)
        jobs = {}
        for name, job in found.jobs.items():
            usual = job.message in pods.USUAL_WAITS
            reasons = (
                self.waits if not job.phase.ended else memory if job.phase is not Phase.SUCCEEDED else {}
            )
            jobs[name] = replace(job, message=reasons.get(name) or ("" if usual else job.message))
        return replace(found, jobs=jobs, message=found.message or self.waits.get("", ""))


def follow_run(api: Api, name: str) -> Iterator[RunSnapshot]:
    """The run at first, at each change and at least every half second; the last time when it has ended.

    Raises UnknownReferenceError where there is no such run, and ClusterError where it was deleted
    meanwhile or the cluster refuses.
    """
    get_workflow(api, name)
    changes: _Changes = queue.SimpleQueue()
    for kind, path, selector in (
        ("workflow", api.workflow_path(), {"fieldSelector": f"metadata.name={name}"}),
        ("pods", api.core_path("pods"), {"labelSelector": f"{object_names.ARGO_WORKFLOW}={name}"}),
    ):
        threading.Thread(
            target=_watch, args=(changes, kind, api, path, selector), name=f"watch {kind}", daemon=True
        ).start()
    return _sights(api, name, changes)


def get_workflow(api: Api, name: str) -> Object:
    """The Workflow. Raises UnknownReferenceError, naming the nearest."""
    found = api.find(api.workflow_path(name))
    if found is None:
        names = [each["metadata"]["name"] for each in api.list_items(api.workflow_path())]
        hint = did_you_mean(name, names, f"textgen list -n {api.namespace} shows them")
        raise UnknownReferenceError(f"no run {name!r} in {api}; {hint}")
    return found


def get_snapshot(api: Api, name: str) -> RunSnapshot:
    """The run as it is now."""
    workflow = get_workflow(api, name)
    found = api.list_items(api.core_path("pods"), labelSelector=f"{object_names.ARGO_WORKFLOW}={name}")
    return _Waits(api).added(RunSnapshot(workflow, _ordered(found)), patient=False)


def _sights(api: Api, name: str, changes: _Changes) -> Iterator[RunSnapshot]:
    seen: dict[str, tuple[Object, ...]] = {}
    waits = _Waits(api)
    while True:
        try:
            change = changes.get(timeout=_TICK)
            if isinstance(change, ClusterError):
                raise change
            seen[change[0]] = change[1]
        except queue.Empty:
            pass
        if len(seen) < 2:
            continue
        if not seen["workflow"]:
            raise ClusterError(f"{name}: deleted while it was followed")
        sight = waits.added(RunSnapshot(seen["workflow"][0], seen["pods"]), patient=True)
        yield sight
        if sight.ended:
            return


def _watch(changes: _Changes, kind: str, api: Api, path: str, selector: Mapping[str, str]) -> None:
    try:
        for found in watch_objects(api, path, **selector):
            changes.put((kind, _ordered(found.values())))
    except ClusterError as error:
        changes.put(error)


def _ordered(found: Iterable[Object]) -> tuple[Object, ...]:
    return tuple(sorted(found, key=lambda each: str(each["metadata"]["creationTimestamp"])))


class _Waits:
    """Why jobs wait. `due` says when a wait has lasted long enough to look further."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._due: dict[str, float] = {}
        self._told: dict[str, str] = {}

    def added(self, sight: RunSnapshot, *, patient: bool) -> RunSnapshot:
        """The sight with reasons. A patient look reads events only for a wait of some seconds."""
        if sight.ended:
            return sight
        told = {}
        for pod in sight.pods:
            phase = (pod.get("status") or {}).get("phase")
            if phase == "Running":
                told[pods.job_name(pod)] = pods.node_unresponsive(pod)
            elif phase == "Pending" and not pod["metadata"].get("deletionTimestamp"):
                told[pods.job_name(pod)] = pods.pending_reason(pod) or self._events(pod, patient)
        if not (sight.workflow.get("status") or {}).get("phase") and self._is_due("", _UNTAKEN, patient):
            told[""] = "no controller has taken it: does Argo's workflow-controller run for this namespace?"
        return replace(sight, waits={name: why for name, why in told.items() if why})

    def _events(self, pod: Object, patient: bool) -> str:
        uid = pod["metadata"]["uid"]
        if self._is_due(uid, _UNEXPLAINED, patient):
            del self._due[uid]
            self._told[uid] = pods.latest_warning(self._api, pod) or pods.running_init_container(pod)
        return self._told.get(uid, "")

    def _is_due(self, what: str, seconds: float, patient: bool) -> bool:
        now = time.monotonic()
        return now >= self._due.setdefault(what, now + seconds if patient else now)
