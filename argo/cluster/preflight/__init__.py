"""What can't work on a cluster, found before the run is created: checks.py runs the other modules."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a workflow can't run on the cluster: what is wrong, and what to do.

    A problem that is not `certain` becomes a warning: only the cluster knows.
    """

    message: str
    certain: bool = True
