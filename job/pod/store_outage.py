"""Waiting for a store that does not answer: it is restarted, or has too much to do."""

from collections.abc import Callable
from typing import TypeVar

import click
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay, wait_exponential

from job.storage.store import UnavailableError

LIMIT = 300  # seconds; a job may have worked for hours for what is to be stored

T = TypeVar("T")


def retry_while_unavailable(step: Callable[[], T]) -> T:
    """What `step` returns, which is called again while the store is unavailable.

    Raises UnavailableError if that lasts for five minutes, and every other error of the step at once.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(UnavailableError),
        wait=wait_exponential(max=15),  # 1, 2, 4, 8, 15, 15, ... seconds
        stop=stop_before_delay(LIMIT),
        before_sleep=_report,
        reraise=True,
    )
    return retrying(step)


def _report(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    click.echo(f"waiting {state.upcoming_sleep:.0f} s: {error}", err=True)
