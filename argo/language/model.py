"""A workflow file, read: the one model that lint, compile and every way of running share.

Everything is frozen and checked. A name in `needs`, an input's source and an action's arguments
refer to things that exist, and the jobs have no cycle. `at` is a position in the file, for messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from job.datasets.reference import DatasetRef


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; both count from 1."""

    line: int
    column: int


class Type(StrEnum):
    """What an input or output holds: a dataset's files, a folder for this run only, or a string."""

    DATASET = "dataset"
    VOLUME = "volume"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Secret:
    """`secret:NAME`: a value that is looked up when the job runs, and never printed."""

    name: str


Value = str | Secret


@dataclass(frozen=True, slots=True)
class Event:
    """The push: the values of `context.event.github.url` and `.ref` (clone URL, commit)."""

    url: str | None = None
    ref: str | None = None


class EventField(StrEnum):
    """`context.event.github.url` or `.ref` as an argument of git-checkout."""

    URL = "url"
    REF = "ref"


@dataclass(frozen=True, slots=True)
class Trigger:
    """`on.github.branches.only`: a push to one of these branches starts the workflow."""

    branches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkflowInput:
    """A parameter of the workflow. `default` is None if a run must give the value."""

    name: str
    type: Type
    default: str | DatasetRef | None
    at: Position


@dataclass(frozen=True, slots=True)
class FromWorkflow:
    """`workflow.inputs.NAME`."""

    input: str


@dataclass(frozen=True, slots=True)
class FromJob:
    """`JOB.outputs.NAME`."""

    job: str
    output: str


@dataclass(frozen=True, slots=True)
class SharedVolume:
    """The legacy dialect's `inputs: {NAME: {type: volume}}`: one writable folder of that name for
    the whole run, mounted at `/inputs/NAME` in every job that names it."""


InputSource = FromWorkflow | FromJob | DatasetRef | SharedVolume


@dataclass(frozen=True, slots=True)
class Input:
    """What a job finds at `/inputs/NAME`: a folder, or for a string a file."""

    name: str
    type: Type
    source: InputSource
    at: Position


@dataclass(frozen=True, slots=True)
class Output:
    """What a job leaves at `/outputs/NAME`; `dataset` is set if the type is DATASET."""

    name: str
    type: Type
    dataset: DatasetRef | None
    at: Position


@dataclass(frozen=True, slots=True)
class Container:
    """container@v1. `command` None keeps the image's entrypoint; `args` go to it."""

    image: str
    command: tuple[str, ...] | None
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """script@v1: `script` run by the image's bash, in place of its entrypoint."""

    image: str
    script: str


@dataclass(frozen=True, slots=True)
class GitCheckout:
    """git-checkout@v1: the repository at `url`, at `ref` (None: its default branch), into `path`.

    `path` is absolute: `/outputs/NAME[/...]`, or `/inputs/NAME[/...]` of a shared volume.
    """

    url: str | EventField
    ref: str | EventField | None
    path: str
    username: Value | None
    password: Value | None


@dataclass(frozen=True, slots=True)
class S3Download:
    """s3-download@v1: the objects under `url` (`s3://bucket/prefix`) into `path`."""

    url: str
    path: str
    access_key: Value | None
    secret_access_key: Secret | None
    region: str | None
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class CreateModel:
    """create-model@v1: the input `model` becomes a named model; its id goes to the string output."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Generate:
    """generate@v1: texts in `shards`, of which at most `parallelism` (None: all) are made at once.

    settings: those of `textgen generate` that the file gives; string inputs give others. prompts_input
    and model_input: the inputs that the settings `prompts` and `model` are paths in, or "". output: the one
    output, a dataset. image: None for textgen's own.
    """

    settings: Mapping[str, object]
    prompts_input: str
    model_input: str
    output: str
    shards: int
    parallelism: int | None
    image: str | None


Action = Container | Script | GitCheckout | S3Download | CreateModel | Generate


@dataclass(frozen=True, slots=True)
class Job:
    """One container. `needs` holds every job it waits for, the implied ones too.

    `env` and `registries` have the workflow's defaults merged in; `instance_type` is None if
    neither the job nor the defaults name one; it is written at `instance_at`.
    """

    name: str
    action: Action
    needs: tuple[str, ...]
    inputs: Mapping[str, Input]
    outputs: Mapping[str, Output]
    env: Mapping[str, Value]
    instance_type: str | None
    registries: tuple[str, ...]
    at: Position
    instance_at: Position | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A whole file. `jobs` and `inputs` keep the file's order; `text` is what was read."""

    path: Path
    text: str
    trigger: Trigger | None
    event: Event
    inputs: Mapping[str, WorkflowInput]
    jobs: Mapping[str, Job]
    cluster_id: str | None

    @property
    def name(self) -> str:
        """The file's name without its suffix, as `kubectl` and `textgen list` show it."""
        return self.path.stem
