"""What of a run's folder lives no longer than the run: its copy of the code, its volumes, strings and shards.

Of a run that has failed, what a retry needs is kept until the retry succeeds, or the workflow runs anew.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from argo.language.model import FromJob, GitCheckout, Job, SharedVolume, Type
from argo.local.job_folders import SHARDS, outputs_folder, shards_folder, shared_folder
from argo.local.plan import Plan
from argo.local.run_folder import Project, Run
from argo.local.saved_plan import SavedPlan
from argo.runs import Phase
from job.errors import TextgenError
from job.files import locked
from job.untrusted_files import remove_tree, restrict_modes

CODE = "source"  # the copy of the working tree


def needed_by_retry(plan: Plan, run: Run) -> Iterator[Path]:
    """What the jobs of the run that have not succeeded read of what is there before they start."""
    succeeded = {name for name, job in run.record.jobs.items() if job.phase is Phase.SUCCEEDED}
    left = [job for name, job in plan.workflow.jobs.items() if name not in succeeded]
    shared = {name for each in succeeded for name in _shared_volumes(plan.workflow.jobs[each])}
    for job in left:
        if isinstance(job.action, GitCheckout) and plan.checkouts[job.name].url is None:
            yield run.folder / CODE
        for name in _shared_volumes(job):
            if name in shared:
                yield shared_folder(run, name)
        for entry in job.inputs.values():
            source = entry.source
            if isinstance(source, FromJob) and source.job in succeeded and entry.type is not Type.DATASET:
                yield outputs_folder(run, source.job) / source.output


def used_by_retry(run: Run) -> list[Path]:
    """What spares a retry work, beside what it needs: the texts of shards."""
    left = [name for name, job in run.record.jobs.items() if job.phase is not Phase.SUCCEEDED]
    return [folder for folder in (shards_folder(run, name) for name in left) if folder.exists()]


def _shared_volumes(job: Job) -> list[str]:
    return [name for name, entry in job.inputs.items() if isinstance(entry.source, SharedVolume)]


def remove_volumes(folder: Path, keep: Collection[Path] = ()) -> None:
    """Remove them all from a run's folder but those that hold one of `keep`, which are on the disk then."""
    for path in _volumes(folder):
        if not any(kept.is_relative_to(path) for kept in keep):
            remove_tree(path)
    if keep:
        os.sync()


def restrict_what_stays(project: Project, run: Run) -> None:
    """No file that a job has left is setuid, and its owner can remove each."""
    # versions in `cache/datasets` are no job's
    for folder in (run.folder, project.storage, project.cache / "huggingface", project.cache / "textgen"):
        if folder.is_dir():
            restrict_modes(folder)


def remove_earlier_volumes(folder: Path, file: Path) -> None:
    """Remove what is kept of earlier runs of the workflow `file`, now that it runs anew in `folder`."""
    for other in folder.parent.iterdir():
        if other == folder:
            continue
        try:
            if _volumes(other):
                with locked(other, blocking=False):
                    if SavedPlan.read(other).file == file:
                        remove_volumes(other)
        except (BlockingIOError, FileNotFoundError, TextgenError):
            continue  # it runs, it was deleted meanwhile, or nobody knows of what file it is


def _volumes(folder: Path) -> list[Path]:
    paths = [
        folder / CODE,
        folder / "volumes",
        *folder.glob("jobs/*/[io][nu]*puts"),
        *folder.glob(f"jobs/*/{SHARDS}"),
    ]
    return [path for path in paths if os.path.lexists(path)]
