"""When a request is repeated: a cluster that does not answer, and an object that others change, too."""

import time

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from argo.cluster.api import ApiError, is_transient
from job.errors import ClusterError

_GIVE_UP = 600  # seconds without any answer
_STARTING = 60  # seconds for which an API server that was restarted may refuse what it allowed before
_PAUSES = (0.2, 0.5, 1, 2, 5)  # seconds


class Backoff:
    """Sleeps after each failure of a connection that is kept for hours, and gives up at last.

    An API server that has just started knows nobody's rights until it has read them, so a refusal of what
    was allowed before may pass.
    """

    def __init__(self) -> None:
        self._allowed = False
        self._failures = 0
        self._since = 0.0

    def reset(self) -> None:
        """Call this after each answer of the cluster."""
        self._allowed = True
        self._failures = 0

    def sleep(self, error: ClusterError) -> None:
        """Sleep before the request is repeated. Raises the error if repeating can't help."""
        now = time.monotonic()
        if not self._failures:
            self._since = now
        if now - self._since >= self._limit(error):
            raise error
        time.sleep(_PAUSES[min(self._failures, len(_PAUSES) - 1)])
        self._failures += 1

    def _limit(self, error: ClusterError) -> int:
        if is_transient(error):
            return _GIVE_UP
        refused = isinstance(error, ApiError) and error.status in {401, 403}
        return _STARTING if refused and self._allowed else 0


retry_on_conflict = retry(
    retry=retry_if_exception(lambda error: isinstance(error, ApiError) and error.status == 409),
    stop=stop_after_attempt(10),
    wait=wait_random_exponential(multiplier=0.02),  # a random part of 0.02 s, doubled each time
    reraise=True,
)
"""Decorator of a function that reads an object and writes it: repeats it if the object changed in between.

The function raises ApiError with status 409 if the object changed ten times.
"""
