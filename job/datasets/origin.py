"""Which output of a run made a version."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Producer:
    """A second commit from the same origin (a retried pod) gives the first one's version."""

    run: str
    job: str
    output: str
