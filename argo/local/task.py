"""What a job asks of the runtime that starts it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol


class Access(Enum):
    """How a job sees a path of this machine. PRIVATE: it may write, and nobody else sees that."""

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

    `env` is the job's own, with the secrets' values; `secret` names those that no argument list
    may show. `name` is unique on this machine.
    """

    name: str
    image: str
    command: tuple[str, ...] | None
    args: tuple[str, ...]
    env: Mapping[str, str]
    secret: frozenset[str]
    mounts: Sequence[Mount]


class Runtime(Protocol):
    """A way of running tasks. `name` is what --runtime calls it; inputs of a kind in `copied` are
    copied into the folder that becomes /inputs, the others are mounted."""

    name: str
    copied: frozenset[Access]

    def check(self) -> None:
        """Raise InputError, in one line, where this can't work on this machine."""

    def refusal(self, task: Task) -> str | None:
        """Why this task can't run here, or None."""

    def place(self, task: Task) -> AbstractAsyncContextManager[None]:
        """Whatever must be there while the task runs."""

    def invocation(self, task: Task) -> tuple[list[str], dict[str, str]]:
        """The command that runs the task on a leash, and that command's environment."""
