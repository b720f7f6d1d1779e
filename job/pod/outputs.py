"""The outputs of a job, as the pod protocol names them (job.pod.spec): what `store` keeps of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from job.pod.json_reader import JsonReader


@dataclass(frozen=True, slots=True)
class DatasetOutput:
    """A version of `dataset`."""

    dataset: str

    def to_json(self) -> dict[str, Any]:
        return {"dataset": self.dataset}


@dataclass(frozen=True, slots=True)
class VolumeOutput:
    """A folder for the run's later jobs."""

    def to_json(self) -> dict[str, Any]:
        return {"volume": True}


@dataclass(frozen=True, slots=True)
class StringOutput:
    """A text for the run's later jobs."""

    def to_json(self) -> dict[str, Any]:
        return {"string": True}


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """A version of `name` with the input `model`, and a string with the version's reference."""

    name: str
    type: str

    def to_json(self) -> dict[str, Any]:
        return {"model": {"name": self.name, "type": self.type}}


@dataclass(frozen=True, slots=True)
class PlanOutput:
    """The folder that `python -m job plan` writes: which rows each shard of the job generates."""

    def to_json(self) -> dict[str, Any]:
        return {"plan": True}


@dataclass(frozen=True, slots=True)
class ShardOutput:
    """The folder that `python -m job shard` writes, kept in parts while it grows."""

    def to_json(self) -> dict[str, Any]:
        return {"shard": True}


@dataclass(frozen=True, slots=True)
class JoinOutput:
    """A version of `dataset` with the texts of all `shards`, which are in the store."""

    dataset: str
    shards: int

    def to_json(self) -> dict[str, Any]:
        return {"join": {"dataset": self.dataset, "shards": self.shards}}


Output = DatasetOutput | VolumeOutput | StringOutput | ModelOutput | PlanOutput | ShardOutput | JoinOutput


def read_output(output: JsonReader) -> Output:
    """Raises InputError if it is none."""
    for key, read in _READERS.items():
        if output.has(key):
            return read(output.get(key))
    return output.refuse("an output")


_READERS: Mapping[str, Callable[[JsonReader], Output]] = {
    "dataset": lambda dataset: DatasetOutput(dataset.string()),
    "volume": lambda _: VolumeOutput(),
    "string": lambda _: StringOutput(),
    "model": lambda model: ModelOutput(model.get("name").string(), model.get("type").string()),
    "plan": lambda _: PlanOutput(),
    "shard": lambda _: ShardOutput(),
    "join": lambda join: JoinOutput(join.get("dataset").string(), join.get("shards").integer()),
}
