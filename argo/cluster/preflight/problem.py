"""One reason why a workflow can't run on a cluster."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """`message` says what and what to do. One that is not `certain` only looks so from here."""

    message: str
    certain: bool = True
