"""What the commands share that run jobs on this machine: the runtimes, and errors of the file system."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from argo.local.runtime import Runtime
from job.errors import InputError


def make_runtime(name: str) -> Runtime:
    """The runtime that `--runtime` names."""
    from argo.local.containers import Containers
    from argo.local.host import Host
    from argo.local.sandbox import Sandbox

    match name:
        case "sandbox":
            return Sandbox()
        case "host":
            return Host()
        case _:
            return Containers(name)


@contextmanager
def explain_os_errors(home: Path) -> Iterator[None]:
    """Raise InputError for an error of the file system, or of the standard output, that ends a run.

    `home` is named if the error names no file.
    """
    try:
        yield
    except BrokenPipeError as error:
        raise InputError("the standard output was closed: the run was ended") from error
    except OSError as error:
        raise InputError(f"{error.filename or home}: {error.strerror}") from error
