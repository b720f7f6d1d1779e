"""The steps of a pod's spec: how each of a job's inputs is made."""

from dataclasses import dataclass
from typing import Any

from job.pod.json_reader import JsonReader
from job.pod.values import (
    Parameter,
    Value,
    read_optional_value,
    read_parameter,
    read_value,
    value_to_json,
    without_none,
)


@dataclass(frozen=True, slots=True)
class CheckoutStep:
    """A repository, at the commit that the run uses for the checkout of `job`."""

    job: str
    url: Value
    ref: Value | None = None
    username: Value | None = None
    password: Value | None = None

    def to_json(self) -> dict[str, Any]:
        values = {name: value_to_json(getattr(self, name)) for name in ("url", "ref", "username", "password")}
        return {"checkout": without_none({"job": self.job, **values})}


@dataclass(frozen=True, slots=True)
class DatasetStep:
    """A dataset's files, at the version that the run uses for the reference."""

    ref: Value

    def to_json(self) -> dict[str, Any]:
        return {"dataset": value_to_json(self.ref)}


@dataclass(frozen=True, slots=True)
class OutputStep:
    """An output of an earlier job of the run: a string, a volume or a dataset."""

    job: str
    output: str

    def to_json(self) -> dict[str, Any]:
        return {"output": [self.job, self.output]}


@dataclass(frozen=True, slots=True)
class S3Step:
    """Objects of a bucket."""

    url: str
    region: str | None = None
    endpoint: str | None = None
    access_key: Value | None = None
    secret_access_key: Value | None = None

    def to_json(self) -> dict[str, Any]:
        keys = {
            "access-key": value_to_json(self.access_key),
            "secret-access-key": value_to_json(self.secret_access_key),
        }
        location = {"url": self.url, "region": self.region, "endpoint": self.endpoint}
        return {"s3": without_none(location | keys)}


Step = CheckoutStep | DatasetStep | Parameter | OutputStep | S3Step


@dataclass(frozen=True, slots=True)
class ShardStep:
    """A shard of a planned generation: its rows, and what an earlier pod has stored of its texts.

    prompts: the dataset of the input `input`, whose files the plan names; None if the plan has all rows.
    output: the output, whose folder the texts go to.
    """

    output: str
    input: str = ""
    prompts: DatasetStep | OutputStep | None = None

    def to_json(self) -> dict[str, Any]:
        prompts = self.prompts.to_json() if self.prompts else None
        return without_none({"output": self.output, "input": self.input or None, "prompts": prompts})


def read_step(step: JsonReader) -> Step:
    if step.has("checkout"):
        checkout = step.get("checkout")
        return CheckoutStep(
            checkout.get("job").string(),
            read_value(checkout.get("url")),
            *(read_optional_value(checkout.get(name)) for name in ("ref", "username", "password")),
        )
    if step.has("dataset"):
        return DatasetStep(read_value(step.get("dataset")))
    if step.has("parameter"):
        return read_parameter(step)
    if step.has("output"):
        names = [name.string() for name in step.get("output").elements()]
        return OutputStep(*names) if len(names) == 2 else step.get("output").refuse("a job and an output")
    if step.has("s3"):
        s3 = step.get("s3")
        return S3Step(
            s3.get("url").string(),
            s3.get("region").optional_string(),
            s3.get("endpoint").optional_string(),
            *(read_optional_value(s3.get(name)) for name in ("access-key", "secret-access-key")),
        )
    return step.refuse("a step")


def read_shard_step(shard: JsonReader) -> ShardStep:
    prompts = None if shard.get("prompts").value is None else read_dataset_step(shard.get("prompts"))
    return ShardStep(shard.get("output").string(), shard.get("input").optional_string() or "", prompts)


def read_dataset_step(reader: JsonReader) -> DatasetStep | OutputStep:
    step = read_step(reader)
    return step if isinstance(step, DatasetStep | OutputStep) else reader.refuse("a dataset")
