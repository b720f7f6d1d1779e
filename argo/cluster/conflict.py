"""Changing an object that somebody else may change at the same time."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from argo.cluster.api import ApiError

_CONFLICT = 409
_ATTEMPTS = 10
_PAUSE = 0.02  # seconds; some part of it, twice as long after each attempt

T = TypeVar("T")


def again(change: Callable[[], T]) -> T:
    """What `change` returns, which reads and writes: done anew where somebody has written in between.

    Raises ApiError, also where others were quicker ten times.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return change()
        except ApiError as error:
            if error.status != _CONFLICT or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(random.uniform(0, _PAUSE * 2**attempt))  # noqa: S311
    raise AssertionError
