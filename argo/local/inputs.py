"""What a job reads: where each of its inputs lies, and how the job may use it."""

from argo.language.model import FromJob, FromWorkflow, Input, Job, SharedVolume, Type
from argo.local import folders
from argo.local.blocking import blocking
from argo.local.state import State
from argo.local.store import fetched
from argo.local.task import Access, Mount
from job.datasets import Version


async def of(state: State, job: Job) -> tuple[list[Mount], dict[str, str]]:
    """The mounts of the job's inputs, and the version of each that is a dataset's."""
    mounts: list[Mount] = []
    read: dict[str, str] = {}
    for given in job.inputs.values():
        version = _version(state, job, given)
        if version:
            read[given.name] = str(version)
            path = await blocking(lambda progress, v=version: fetched(state.plan, v, progress))  # type: ignore[misc]
            mounts.append(Mount(path, f"/inputs/{given.name}", Access.READ))
        else:
            mounts.append(_mount(state, job, given))
    return mounts, read


def _version(state: State, job: Job, given: Input) -> Version | None:
    if isinstance(given.source, FromJob):
        return state.made.get((given.source.job, given.source.output))
    reference = state.plan.dataset(job, given.name)
    if not reference:
        return None
    return state.plan.versions[reference]


def _mount(state: State, job: Job, given: Input) -> Mount:
    target = f"/inputs/{given.name}"
    match given.source:
        case SharedVolume():
            return Mount(folders.shared(state.run, given.name), target, Access.WRITE)
        case FromWorkflow(input=name):
            file = folders.inputs(state.run, job.name) / given.name
            file.write_bytes(str(state.plan.values[name]).encode("utf-8", "surrogateescape"))
            return Mount(file, target, Access.READ)
        case FromJob(job=producer, output=output):
            access = Access.READ if given.type is Type.STRING else Access.PRIVATE
            return Mount(folders.outputs(state.run, producer) / output, target, access)
    raise AssertionError(given.source)
