"""The folders of a job's inputs and outputs on this machine, and what the job left in them."""

from pathlib import Path, PurePosixPath

from argo.language.model import Job, Output, SharedVolume, Type
from argo.local.run_folder import Run
from job.errors import JobError
from job.untrusted_files import UntrustedPath

SHARDS = "shards"


def inputs_folder(run: Run, job: str) -> Path:
    """The folder that the job sees as /inputs, its inputs mounted or copied into it."""
    return run.job_folder(job) / "inputs"


def outputs_folder(run: Run, job: str) -> Path:
    """The folder that the job sees as /outputs."""
    return run.job_folder(job) / "outputs"


def shards_folder(run: Run, job: str) -> Path:
    """What the shards of a generate@v1 job leave until its version is made; see argo.local.shard_folders."""
    return run.job_folder(job) / SHARDS


def shared_folder(run: Run, volume: str) -> Path:
    """The run's folder for a volume of the legacy dialect."""
    return run.folder / "volumes" / volume


def make_folders(run: Run, job: Job) -> None:
    """Make the folders that exist before the job starts, writable for any user of an image."""
    outputs = outputs_folder(run, job.name)
    folders = [inputs_folder(run, job.name), outputs]
    folders += [outputs / output.name for output in job.outputs.values() if output.type is not Type.STRING]
    folders += [
        shared_folder(run, name)
        for name, entry in job.inputs.items()
        if isinstance(entry.source, SharedVolume)
    ]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)


def path_on_machine(run: Run, job: Job, path: str) -> UntrustedPath:
    """Where `/outputs/NAME/...`, or `/inputs/NAME/...` of a shared volume, lies on this machine."""
    _, top, name, *rest = PurePosixPath(path).parts
    folder = outputs_folder(run, job.name) / name if top == "outputs" else shared_folder(run, name)
    return UntrustedPath(folder.parent, (folder.name, *rest), path)


def check_output_folder(run: Run, job: Job, output: Output) -> None:
    """Raise JobError if the job put something else in the place of an output's folder."""
    if not UntrustedPath.at(outputs_folder(run, job.name) / output.name).is_folder():
        raise JobError(f"output {output.name!r}: the job replaced the folder /outputs/{output.name}")


def read_string(run: Run, job: Job, output: Output) -> str:
    """The string that the job wrote as an output. Raises CommitError if there is none."""
    name = output.name
    return UntrustedPath.at(outputs_folder(run, job.name) / name, f"/outputs/{name}").read_string()
