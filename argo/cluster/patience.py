"""How long somebody who follows a run goes on asking a cluster that does not answer."""

import time

from argo.cluster.api import ApiError, passing
from job.errors import ClusterError

_PATIENCE = 600  # seconds without any answer
_STARTING = 60  # seconds in which an API server that was restarted may refuse what it has allowed before
_PAUSES = (0.2, 0.5, 1, 2, 5)  # seconds


class Patience:
    """Told of each answer and each failure; waits between failures, and gives up at last.

    An API server that has just started knows nobody's rights until it has read them, so a refusal of what
    was allowed before may pass.
    """

    def __init__(self) -> None:
        self._allowed = False
        self._failures = 0
        self._since = 0.0

    def heard(self) -> None:
        """The cluster has answered."""
        self._allowed = True
        self._failures = 0

    def wait(self, error: ClusterError) -> None:
        """Pause before the request is made again. Raises the error where that can't help."""
        now = time.monotonic()
        if not self._failures:
            self._since = now
        if now - self._since >= self._longest(error):
            raise error
        time.sleep(_PAUSES[min(self._failures, len(_PAUSES) - 1)])
        self._failures += 1

    def _longest(self, error: ClusterError) -> int:
        if passing(error):
            return _PATIENCE
        refused = isinstance(error, ApiError) and error.status in {401, 403}
        return _STARTING if refused and self._allowed else 0
