"""The folders of a job's inputs and outputs on this machine, and what the job left in them."""

import os
from pathlib import Path, PurePosixPath

from argo.language.model import Job, Output, SharedVolume, Type
from argo.local.run_folder import Run
from job.errors import JobError

# A string output is "small-ish" text.
LONGEST_STRING = 256 * 1024


def inputs_folder(run: Run, job: str) -> Path:
    """The folder that the job sees as /inputs, its inputs mounted or copied into it."""
    return run.job_folder(job) / "inputs"


def outputs_folder(run: Run, job: str) -> Path:
    """The folder that the job sees as /outputs."""
    return run.job_folder(job) / "outputs"


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


def path_on_machine(run: Run, job: Job, path: str) -> Path:
    """Where `/outputs/NAME/...`, or `/inputs/NAME/...` of a shared volume, lies on this machine."""
    _, top, name, *rest = PurePosixPath(path).parts
    base = outputs_folder(run, job.name) / name if top == "outputs" else shared_folder(run, name)
    target = base.joinpath(*rest)
    if not target.resolve().is_relative_to(base.resolve()):
        raise JobError(f"{path}: leads out of /{top}/{name}")
    return target


def check_output_folder(run: Run, job: Job, output: Output) -> None:
    """Raise JobError if the job put something else in the place of an output's folder."""
    path = outputs_folder(run, job.name) / output.name
    if not path.is_dir() or path.is_symlink():
        raise JobError(f"output {output.name!r}: the job replaced the folder /outputs/{output.name}")


def read_string(run: Run, job: Job, output: Output) -> str:
    """The string that the job wrote as an output. Raises JobError if there is none."""
    path = f"/outputs/{output.name}"
    try:
        # whatever the job has put there instead is neither followed nor waited for
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(outputs_folder(run, job.name) / output.name, flags)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(LONGEST_STRING + 1)
    except FileNotFoundError as error:
        raise JobError(f"output {output.name!r}: the job wrote no file {path}") from error
    except OSError as error:
        raise JobError(f"output {output.name!r}: {path} is not a file: {error.strerror}") from error
    if len(content) > LONGEST_STRING:
        raise JobError(f"output {output.name!r}: {path} is over {LONGEST_STRING >> 10} KiB; make it a volume")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JobError(f"output {output.name!r}: {path} is not UTF-8") from error
