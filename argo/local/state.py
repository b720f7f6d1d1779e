"""What a run knows while it goes on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from argo.local.plan import Plan
from argo.local.run_folder import Run
from argo.repository import CodeVersion
from job.datasets import Version

Line = Callable[[str], None]


@dataclass(slots=True)
class State:
    """What a run has found and made so far, for its later jobs. `source` is its code, once known."""

    plan: Plan
    run: Run
    source: CodeVersion | None = None
    made: dict[tuple[str, str], Version] = field(default_factory=dict)
    checkouts: dict[str, Mapping[str, str]] = field(default_factory=dict)
