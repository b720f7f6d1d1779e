"""What the pages read: the datasets of a store, and the runs of this machine and a cluster."""

from dataclasses import dataclass, field

from argo.view.runs import Runs
from argo.view.text_indexes import TextIndexes
from job.datasets import Datasets


@dataclass(frozen=True)
class Sources:
    """Nothing in it is written to, but for the cache of indexes."""

    datasets: Datasets
    runs: Runs
    indexes: TextIndexes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "indexes", TextIndexes(self.datasets))
