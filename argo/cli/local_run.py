"""What the commands share that run jobs on this machine: runtimes, errors, and commands that they print."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from argo.local.run_folder import Project
from argo.local.runner import Stopped
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
def explain_ends(project: Project) -> Iterator[None]:
    """Raise InputError for an error of the file system, or of the standard output, that ends a run.

    If the user ended it, say how it can go on.
    """
    try:
        yield
    except BrokenPipeError as error:
        # What is still in the buffer would fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise InputError("the standard output was closed: the run was ended") from error
    except OSError as error:
        raise InputError(f"{error.filename or project.home}: {error.strerror}") from error
    except Stopped as error:
        click.echo(
            f"to run the jobs that are left: {textgen_command(project.root)} retry {error.run}", err=True
        )
        raise


def textgen_command(root: Path | None = None) -> str:
    """What to type here for `textgen` on a run or a dataset of the project at `root`: `textgen`, or the path
    that this process was called by if PATH has no textgen or another one."""
    called, on_path = Path(sys.argv[0]), shutil.which("textgen")
    differs = called.name == "textgen" and (
        not on_path or not called.exists() or not called.samefile(on_path)
    )
    here = root is None or Project.find(Path.cwd()).root == root
    command = (sys.argv[0] if here else str(called.resolve())) if differs else "textgen"
    move = "" if here else f"cd {shlex.quote(os.path.relpath(str(root)))} && "
    return f"{move}{shlex.quote(command)}"
