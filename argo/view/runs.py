"""The runs that pages show: those of this machine and those of a cluster."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from argo.language import Workflow, check
from argo.local import run_folder
from argo.local.saved_plan import SavedPlan
from argo.runs import JobRecord, RunRecord
from job.errors import TextgenError, UnknownReferenceError

if TYPE_CHECKING:
    from argo.cluster.api import Api

_VERSION = re.compile(r"(?:[\w.-]+/)?[\w.-]+:[0-9a-hjkmnp-tv-z]{12}")
_FRESH = 2.0  # seconds for which a list of a cluster's runs is not asked for again
_TIMEOUT = 1.5  # seconds that a page waits for a cluster


@dataclass(frozen=True, slots=True)
class Run:
    """A run, and what is known of it: its folder, if it is of this machine, its file's text, the URL of its
    repository, and the versions that its inputs named."""

    record: RunRecord
    folder: Path | None = None
    text: str | None = None
    url: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def workflow(self) -> Workflow | None:
        """The workflow that ran, if its file can be read."""
        return read_workflow(self.record.file, self.text) if self.text else None

    @property
    def versions(self) -> list[str]:
        """The versions that its jobs made."""
        return [version for job in self.record.jobs.values() for version in list_versions(job)]

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that differ from what the file says; all of them if it is not known."""
        inputs = self.workflow.inputs if self.workflow else {}
        defaults = {name: str(each.default) for name, each in inputs.items() if each.default is not None}
        return {
            name: value for name, value in self.record.parameters.items() if defaults.get(name, "") != value
        }


def list_versions(job: JobRecord) -> list[str]:
    """The versions among a job's outputs."""
    return [value for value in job.outputs.values() if _VERSION.fullmatch(value)]


@lru_cache(maxsize=256)
def read_workflow(file: str, text: str) -> Workflow | None:
    """The workflow of a file's text; None if it has errors."""
    return check(Path(file or "workflow.yaml"), text.encode("utf-8", "surrogateescape")).workflow


@dataclass
class Runs:
    """Reads runs. `folder` has those of this machine, `connect` leads to a cluster; each may be None."""

    folder: Path | None
    connect: "Callable[[], Api] | None" = None
    _cluster: "_ClusterList" = field(init=False)

    def __post_init__(self) -> None:
        self._cluster = _ClusterList(self.connect)

    @property
    def is_waiting(self) -> bool:
        """Whether a cluster has been asked for its runs and has not answered yet."""
        return self._cluster.is_asking

    def read_all(self) -> tuple[list[Run], list[str]]:
        """All runs, newest first, and in a line each what could not be read."""
        problems: list[str] = []
        records = (
            run_folder.read_all(self.folder, lambda error: problems.append(str(error))) if self.folder else []
        )
        runs = [self._read_local(record) for record in records]
        cluster_records, problem = self._cluster.get()
        runs += [Run(record) for record in cluster_records]
        problems += [problem] if problem else []
        return sorted(runs, key=lambda run: run.record.started, reverse=True), problems

    def read(self, name: str) -> Run:
        """A run by its name; this machine's before the cluster's.

        Raises UnknownReferenceError, ClusterError.
        """
        if self.folder:
            try:
                return self._read_local(run_folder.read(run_folder.find(self.folder, name)))
            except UnknownReferenceError:
                if not self.connect:
                    raise
        if not self.connect:
            raise UnknownReferenceError(f"no run {name!r} here")
        from argo.cluster.follow_run import get_snapshot

        return Run(get_snapshot(self.connect(), name).record)

    def _read_local(self, record: RunRecord) -> Run:
        folder = (self.folder or Path()) / record.name
        try:
            plan = SavedPlan.read(folder)
        except (TextgenError, OSError):
            return Run(record, folder)
        url = plan.code.url if plan.code else ""
        inputs = {str(ref): str(version) for ref, version in plan.versions.items()}
        return Run(record, folder, plan.text, url, inputs)


class _ClusterList:
    """The runs of a cluster, as it has said last: a page does not wait long for it."""

    def __init__(self, connect: "Callable[[], Api] | None") -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._runs: list[RunRecord] = []
        self._problem = "the cluster has not answered yet"
        self._asked = -_FRESH
        self.is_asking = False

    def get(self) -> tuple[list[RunRecord], str]:
        """The runs that are known, and what is wrong, if something is."""
        if not self._connect:
            return [], ""
        with self._lock:
            if not self.is_asking and time.monotonic() - self._asked > _FRESH:
                self.is_asking = True
                self._answered.clear()
                threading.Thread(target=self._ask, args=[self._connect], daemon=True).start()
        self._answered.wait(_TIMEOUT)
        return self._runs, self._problem

    def _ask(self, connect: "Callable[[], Api]") -> None:
        from argo.cluster.workflow_status import list_runs

        try:
            self._runs, self._problem = list_runs(connect()), ""
        except TextgenError as error:
            self._problem = str(error)
        finally:
            self._asked, self.is_asking = time.monotonic(), False
            self._answered.set()
