"""What a job asks of the runtime that starts it, and what every runtime does."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol


class Access(Enum):
    """How a job sees a path of this machine. PRIVATE: it may write, and only this job sees the changes."""

    READ = "read"
    WRITE = "write"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Mount:
    """`source` on this machine is `target` in the job."""

    source: Path
    target: str
    access: Access


@dataclass(frozen=True, slots=True)
class Task:
    """A container to start. `command` None keeps the image's entrypoint.

    `env` has what it gets of this machine's variables, and its own, with the secrets' values; `secret` names
    those that no argument list may show. `name` is unique on this machine.
    """

    name: str
    image: str
    command: tuple[str, ...] | None
    args: tuple[str, ...]
    env: Mapping[str, str]
    secret: frozenset[str]
    mounts: Sequence[Mount]


def why_image_needed(task: Task) -> str | None:
    """Why a runtime that has no images can't run the task, or None if it can."""
    words = (*(task.command or ()), *task.args)
    if not words or words[0].startswith("-"):
        return "it needs the image's entrypoint, which only --runtime docker or podman has"
    return None


class Runtime(Protocol):
    """A way of running tasks. `name` is the value of --runtime; with `uses_images` a task's programs are
    those of its image, otherwise this machine's. Inputs whose access is in `copied` are
    copied into the folder that becomes /inputs, the others are mounted. `inherited` matches the names of
    this machine's variables that its jobs get."""

    name: str
    uses_images: bool
    copied: frozenset[Access]
    inherited: str

    def check(self) -> None:
        """Raise InputError, in one line, if this can't work on this machine."""

    def why_unsupported(self, task: Task) -> str | None:
        """Why this runtime can't run the task, or None if it can."""

    def prepare(self, task: Task) -> AbstractAsyncContextManager[None]:
        """Set up what the task needs on this machine, and remove it when the task has ended."""

    def build_command(self, task: Task) -> tuple[list[str], dict[str, str]]:
        """The supervised command that runs the task, and that command's environment."""
