"""Why a textgen container failed, in the file from which Kubernetes takes the message of its node."""

import functools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec

from job.errors import TextgenError

_MESSAGE = Path("/dev/termination-log")

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
    """Write the message of this container's end."""
    with suppress(OSError):  # not in a container
        _MESSAGE.write_text(message, "utf-8")
