"""Why a command failed, in the file from which Kubernetes takes the message of a container's end.

https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

import functools
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec

from job.errors import TextgenError
from job.text import shortened, visible

_MESSAGE = Path("/dev/termination-log")
_MOST = 500  # characters: Argo keeps those of up to 1,000 shards in an object of 1 MB

P = ParamSpec("P")


def report_termination(command: Callable[P, None]) -> Callable[P, None]:
    """Decorator of a command: writes the one line of its error for `kubectl get` and `argo get`, too."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except TextgenError as error:
            report_message(str(error))
            raise

    return wrapped


def report_message(message: str) -> None:
    """Write the message of this container's end; nothing on a machine, where the file is not there."""
    with suppress(OSError), open(_MESSAGE, "w", encoding="utf-8", opener=_open_existing) as file:
        file.write(shortened(visible(message, keep="\n\t"), _MOST))


def _open_existing(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_CREAT)
