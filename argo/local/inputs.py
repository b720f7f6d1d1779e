"""What a job reads: the folder or file of each of its inputs, and whether the job may write to it."""

from collections.abc import Callable
from pathlib import Path

from argo.language.model import FromJob, FromWorkflow, Input, Job, SharedVolume, Type
from argo.local.job_folders import inputs_folder, outputs_folder, shared_folder
from argo.local.plan import Plan, RunState
from argo.local.process import run_in_thread
from argo.local.runtime import Access, Mount
from job.datasets import Version
from job.errors import JobError
from job.files import locked


async def mount_inputs(state: RunState, job: Job) -> tuple[list[Mount], dict[str, str]]:
    """The mounts of the job's inputs, and the version of each that is a dataset's.

    Raises JobError if an earlier job left the dataset empty that this one reads.
    """
    mounts: list[Mount] = []
    versions: dict[str, str] = {}
    for name, entry in job.inputs.items():
        version = _version(state, job, entry)
        if version:
            versions[name] = str(version)
            folder = await run_in_thread(lambda progress, v=version: _fetch(state.plan, v, progress))  # type: ignore[misc]
            mounts.append(Mount(folder, f"/inputs/{name}", Access.READ))
        else:
            mounts.append(_mount(state, job, entry))
    return mounts, versions


def _version(state: RunState, job: Job, entry: Input) -> Version | None:
    if isinstance(entry.source, FromJob):
        version = state.versions.get((entry.source.job, entry.source.output))
        if version is None and entry.type is Type.DATASET:
            output = f"output {entry.source.output!r}"
            raise JobError(
                f"input {entry.name!r}: the job {entry.source.job!r} left its {output} empty, "
                "so there is no version of it"
            )
        return version
    reference = state.plan.dataset(job, entry.name)
    return state.plan.versions[reference] if reference else None


def _fetch(plan: Plan, version: Version, progress: Callable[[int], None]) -> Path:
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


def _mount(state: RunState, job: Job, entry: Input) -> Mount:
    target = f"/inputs/{entry.name}"
    match entry.source:
        case SharedVolume():
            return Mount(shared_folder(state.run, entry.name), target, Access.WRITE)
        case FromWorkflow(input=name):
            file = inputs_folder(state.run, job.name) / entry.name
            file.write_bytes(str(state.plan.values[name]).encode("utf-8", "surrogateescape"))
            return Mount(file, target, Access.READ)
        case FromJob(job=producer, output=output):
            access = Access.READ if entry.type is Type.STRING else Access.PRIVATE
            return Mount(outputs_folder(state.run, producer) / output, target, access)
    raise AssertionError(entry.source)
