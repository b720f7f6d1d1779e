"""What lies where: the paths of a job's inputs and outputs on this machine, and what it left there."""

import os
from pathlib import Path, PurePosixPath

from argo.language.model import Job, Output, SharedVolume, Type
from argo.local.run_folder import Run
from job.errors import JobError

# A string output is "small-ish" text.
LONGEST_STRING = 256 * 1024


def inputs(run: Run, job: str) -> Path:
    """The folder that the job sees as /inputs, its inputs mounted or copied into it."""
    return run.job_folder(job) / "inputs"


def outputs(run: Run, job: str) -> Path:
    """The folder that the job sees as /outputs."""
    return run.job_folder(job) / "outputs"


def shared(run: Run, name: str) -> Path:
    """The run's folder for a volume of the legacy dialect."""
    return run.folder / "volumes" / name


def make(run: Run, job: Job) -> None:
    """Make the folders that are there before the job starts, writable for any user of an image."""
    places = [inputs(run, job.name), outputs(run, job.name)]
    places += [
        outputs(run, job.name) / out.name for out in job.outputs.values() if out.type is not Type.STRING
    ]
    places += [
        shared(run, given.name) for given in job.inputs.values() if isinstance(given.source, SharedVolume)
    ]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o777)


def on_machine(run: Run, job: Job, path: str) -> Path:
    """Where `/outputs/NAME/...`, or `/inputs/NAME/...` of a shared volume, lies on this machine."""
    _, top, name, *rest = PurePosixPath(path).parts
    base = outputs(run, job.name) / name if top == "outputs" else shared(run, name)
    target = base.joinpath(*rest)
    if not target.resolve().is_relative_to(base.resolve()):
        raise JobError(f"{path}: leads out of /{top}/{name}")
    return target


def folder(run: Run, job: Job, output: Output) -> Path:
    """The folder that the job left as an output. Raises JobError where it is none."""
    path = outputs(run, job.name) / output.name
    if not path.is_dir() or path.is_symlink():
        raise JobError(f"output {output.name!r}: the job replaced the folder /outputs/{output.name}")
    return path


def text(run: Run, job: Job, output: Output) -> str:
    """The string that the job left as an output. Raises JobError where it is none."""
    shown = f"/outputs/{output.name}"
    try:
        # whatever the job has put there instead is neither followed nor waited for
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(outputs(run, job.name) / output.name, flags)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(LONGEST_STRING + 1)
    except FileNotFoundError as error:
        raise JobError(f"output {output.name!r}: the job wrote no file {shown}") from error
    except OSError as error:
        raise JobError(f"output {output.name!r}: {shown} is not a file: {error.strerror}") from error
    if len(content) > LONGEST_STRING:
        raise JobError(
            f"output {output.name!r}: {shown} is over {LONGEST_STRING >> 10} KiB; make it a volume"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JobError(f"output {output.name!r}: {shown} is not UTF-8") from error
