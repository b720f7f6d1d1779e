"""Dataset versions on this machine, for jobs to read."""

from collections.abc import Callable
from pathlib import Path

from argo.local.plan import Plan
from job.datasets import Version
from job.files import locked


def fetched(plan: Plan, version: Version, progress: Callable[[int], None]) -> Path:
    """The folder of a version, fetched and verified now unless an earlier job has.

    Versions never change, so all runs share one copy of each.
    """
    base = plan.project.cache / "datasets"
    folder = base / version.ref.namespace / version.ref.name / version.id
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = base / "lock"
    lock.touch()
    with locked(lock):  # one fetch at a time, of all runs
        if not folder.exists():
            plan.datasets.fetch(version, folder, progress=progress)
    return folder
