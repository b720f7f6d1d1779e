"""Waiting for a store that does not answer: it is restarted, or has too much to do."""

from collections.abc import Callable
from itertools import chain, repeat
from time import monotonic, sleep
from typing import TypeVar

import click

from job.storage.store import UnavailableError

PATIENCE = 300.0  # seconds; a job may have worked for hours for what is to be stored
_PAUSES = (1.0, 2.0, 4.0, 8.0)
_LONGEST = 15.0

T = TypeVar("T")


def patiently(step: Callable[[], T]) -> T:
    """What `step` returns, which is called again as long as the store is unavailable.

    Raises UnavailableError where that lasts for five minutes, and whatever else the step raises.
    """
    end = monotonic() + PATIENCE
    for pause in chain(_PAUSES, repeat(_LONGEST)):
        try:
            return step()
        except UnavailableError as error:
            if monotonic() + pause > end:
                raise
            click.echo(f"waiting {pause:.0f} s: {error}", err=True)
            sleep(pause)
    raise AssertionError
