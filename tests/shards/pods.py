"""The pods of a generation in shards: each has folders of its own, and all have one store."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from job.datasets import DatasetRef, Datasets, Version
from job.generate.outputs import RECORD, ROWS
from job.generate.settings import Settings
from job.generate.shards.files import list_shard_files
from job.generate.shards.plan import write_plan
from job.generate.shards.run import run_shard
from job.pod.commit import list_parameters, store_outputs
from job.pod.inputs import StepRunner
from job.pod.outputs import JoinOutput, Output, PlanOutput, ShardOutput
from job.pod.results import resolve_datasets
from job.pod.shards import inputs as shard_inputs
from job.pod.shards.keys import Shards
from job.pod.shards.parts import POSITION, PartSender, Position
from job.pod.spec import SHARD
from job.pod.steps import DatasetStep, ShardStep
from job.untrusted_files import UntrustedPath

RUN, JOB, OUTPUT = "run-1", "write", "texts"
QUESTIONS, ANSWERS = DatasetRef("questions"), DatasetRef("answers")
ECHO = Settings(engine="echo", max_new_tokens=2, num_return_sequences=2, on_error="skip")


@dataclass
class ShardPod:
    """A pod of a shard. `fetched` is what `inputs` brought of its texts; `sender` is in `store`."""

    index: int
    folder: Path
    fetched: Position
    sender: PartSender

    @property
    def texts(self) -> Path:
        """The output's folder."""
        return self.folder / OUTPUT

    def run_main(self, rows: int | None = None) -> None:
        """Generate what is missing; with `rows`, die in the middle of the row after so many."""
        run_shard(self.folder / "shard", self.texts)
        if rows is not None:
            lines = (self.texts / ROWS).read_bytes().splitlines(keepends=True)
            torn = lines[rows][:10] if rows < len(lines) else b""
            (self.texts / ROWS).write_bytes(b"".join(lines[:rows]) + torn)
            self.change_record({"state": "running"})

    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.texts / RECORD).read_bytes())
        return record

    def change_record(self, change: Mapping[str, Any]) -> None:
        (self.texts / RECORD).write_text(json.dumps({**self.record(), **change}))


@dataclass
class Generation:
    """A run of `count` shards over the dataset `questions`. A pod can be made again and again."""

    datasets: Datasets
    root: Path
    count: int
    monkeypatch: pytest.MonkeyPatch
    settings: Settings = ECHO
    copy_rows: bool = False

    def __post_init__(self) -> None:
        self.monkeypatch.setattr(shard_inputs, "INPUTS", self.root / "inputs")
        self.shards = Shards(self.datasets.store, RUN, JOB)

    def plan(self) -> dict[str, str]:
        """The plan's pod, from its start to its end; what Argo shows of it."""
        folder, prompts = self.new_folder(), self.root / "inputs" / "prompts"
        shutil.rmtree(prompts, ignore_errors=True)
        self._runner().run_step(prompts, DatasetStep("questions"))
        settings = replace(self.settings, prompts=str(prompts))
        write_plan(settings, self.count, folder / "plan", self.copy_rows)
        return self._store({"plan": PlanOutput()}, folder, {"made by": "plan"})

    def start(self, index: int) -> ShardPod:
        """A pod of a shard, when `inputs` has ended."""
        folder = self.new_folder()
        step = ShardStep(OUTPUT, "prompts", DatasetStep("questions"))
        fetched = self._runner().run_shard(self.shards, index, step, folder / "shard", folder)
        return ShardPod(index, folder, fetched, self.open_sender(index, folder, fetched))

    def open_sender(self, index: int, folder: Path, fetched: Position) -> PartSender:
        """That of a process of `store`, which may not be the first in its pod."""
        texts = UntrustedPath.at(folder / OUTPUT)
        prefix = self.shards.shard_prefix(index)
        return PartSender(self.datasets.store, prefix, texts, folder / POSITION, fetched)

    def commit(self, pod: ShardPod) -> None:
        """What `store` does when the pod's `commit` asks for it."""
        pod.sender.send_rest()
        self.monkeypatch.setenv(SHARD, str(pod.index))
        self._store({OUTPUT: ShardOutput()}, pod.folder)

    def run_shard(self, index: int) -> ShardPod:
        """A shard's pod, from its start to its end."""
        pod = self.start(index)
        pod.run_main()
        self.commit(pod)
        return pod

    def join(self) -> Version:
        """The join's pod."""
        self._store({OUTPUT: JoinOutput("answers", self.count)}, self.root, {"made by": "join"})
        return self.datasets.resolve(ANSWERS)

    def run(self) -> Version:
        """All pods, none of which dies."""
        self.plan()
        for index in range(self.count):
            self.run_shard(index)
        return self.join()

    def read_texts(self, version: Version) -> bytes:
        """The texts of a version, its files one after the other."""
        paths = list_shard_files(ROWS, (file.path for file in self.datasets.files(version)))
        return b"".join(self.datasets.read_file(version, path) for path in paths)

    def new_folder(self) -> Path:
        self.root.mkdir(exist_ok=True)
        return Path(mkdtemp(dir=self.root))

    def _runner(self) -> StepRunner:
        return StepRunner(self.datasets, RUN, resolve_datasets(self.datasets, RUN, ["questions"]), {})

    def _store(
        self, outputs: dict[str, Output], root: Path, lineage: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        results = store_outputs(self.datasets, RUN, JOB, outputs, lineage or {}, root=root)
        return list_parameters(outputs, results)
