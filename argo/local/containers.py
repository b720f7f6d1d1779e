"""Docker and Podman: a job runs in the image that it names, as that image's user."""

import csv
import io
import os
import shutil
import subprocess
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from argo.local.environment import IN_IMAGES
from argo.local.process import supervised
from argo.local.runtime import Access, Mount, Task
from job.errors import InputError

_GPU = {"docker": ("--gpus", "all"), "podman": ("--device", "nvidia.com/gpu=all")}


class Containers:
    """Runs tasks with `docker run` or `podman run`."""

    uses_images = True
    inherited = IN_IMAGES

    def __init__(self, name: str) -> None:
        self.name = name
        self.copied = frozenset({Access.PRIVATE})

    def check(self) -> None:
        if not shutil.which(self.name):
            raise InputError(f"--runtime {self.name}: {self.name} is not installed")
        version = subprocess.run([self.name, "version"], capture_output=True, text=True, check=False)
        if version.returncode:
            reason = (version.stderr.strip() or f"status {version.returncode}").splitlines()[-1]
            raise InputError(f"--runtime {self.name}: {self.name} does not answer: {reason}")

    def why_unsupported(self, task: Task) -> str | None:
        return None

    def prepare(self, task: Task) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def build_command(self, task: Task) -> tuple[list[str], dict[str, str]]:
        words = [self.name, "run", "--rm", "--init", "--name", task.name, "--label", f"textgen={task.name}"]
        if Path("/dev/nvidiactl").exists():
            words += _GPU[self.name]
        for mount in task.mounts:
            words += ["--mount", _mount(mount)]
        for name, value in task.env.items():  # a secret's value comes from this command's environment
            words += ["--env", name if name in task.secret else f"{name}={value}"]
        if task.command:
            words += ["--entrypoint", task.command[0]]
        words += [task.image, *(task.command or ())[1:], *task.args]
        hidden = {name: value for name, value in task.env.items() if name in task.secret}
        remove = [self.name, "rm", "--force", task.name]
        return supervised(words, cleanup=remove), {**os.environ, **hidden}


def _mount(mount: Mount) -> str:
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}"]
    if mount.access is not Access.WRITE:
        fields.append("readonly")
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)  # the format is CSV: a comma needs quotes
    return line.getvalue()
