"""Generations in shards on a cluster: their workflow, what they made, and how often they made it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from job.datasets import DatasetRef
from job.generate.shards.files import list_shard_files
from job.pod.shards.keys import Shards
from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace, kubectl

PROMPTS = 64
# A quarter of an instance holds the embedded model; the echo engine needs next to nothing.
MODEL, ECHO = ("smollm2-135m", "1/4"), ("", "1/16")

JOB = """
  {name}:
    resources: {{instance-type: C5}}
    inputs: {{prompts: {{type: dataset, with: {{ref: questions}}}}}}
    outputs: {{texts: {{type: dataset, with: {{ref: {name}}}}}}}
    uses: generate@v1
    with: {{prompts: /inputs/prompts, {settings}}}
"""


def write_job(name: str, **settings: object) -> str:
    """A job that generates, and makes a version of the dataset of its name."""
    text = ", ".join(f"{key}: {json.dumps(value)}" for key, value in settings.items())
    return JOB.format(name=name, settings=text)


def commit_prompts(namespace: Namespace, folder: Path, rows: int = PROMPTS) -> None:
    """A version of the dataset that the jobs read."""
    prompts = [
        json.dumps({"id": f"q{row}", "prompt": f"Question {row}: what is {row}?"}) for row in range(rows)
    ]
    folder.mkdir()
    (folder / "prompts.jsonl").write_text("\n".join(prompts) + "\n")
    namespace.datasets.commit_version(DatasetRef("questions"), folder, lineage={})


def make_command(folder: Path, namespace: Namespace, jobs: str, scale: str) -> Command:
    """The command line in a folder with the workflow `shards.yaml`."""
    (folder / ".textgen").mkdir(exist_ok=True)
    (folder / "cluster.yaml").write_text(f"scale: {scale}\nsecurity: restricted\n")
    (folder / "shards.yaml").write_text(f"jobs:{jobs}")
    return Command(folder, namespace)


def submit(textgen: Command) -> str:
    """The name of a run that goes on by itself."""
    words = ("shards.yaml", "--cluster", "cluster.yaml", "--detach", "-o", "name")
    return textgen("submit", *words).strip()


def read_texts(namespace: Namespace, dataset: str) -> bytes:
    """The joined rows of the dataset's latest version, which must be its only one."""
    datasets = namespace.datasets
    (version,) = datasets.versions(DatasetRef(dataset))
    assert list(datasets.verify(version)) == []
    paths = [file.path for file in datasets.manifest(version).files]
    return b"".join(datasets.read_file(version, path) for path in list_shard_files("outputs.jsonl", paths))


def read_job(textgen: Command, run: str, job: str) -> dict[str, Any]:
    """What `textgen get` says of a job."""
    record: dict[str, Any] = json.loads(textgen("get", run, "-o", "json"))["jobs"][job]
    return record


def open_shards(namespace: Namespace, run: str, job: str) -> Shards:
    """What the job's shards keep in the store."""
    return Shards(namespace.datasets.store, namespace.get(run)["metadata"]["uid"], job)


def count_stored_rows(shards: Shards, index: int) -> int:
    """How many rows the parts of a shard hold, without a gap."""
    rows = 0
    for first, count in sorted(_list_parts(shards, index)):
        if first <= rows:
            rows = max(rows, first + count)
    return rows


def _list_parts(shards: Shards, index: int) -> Iterator[tuple[int, int]]:
    prefix = f"{shards.shard_prefix(index)}parts/"
    for item in shards.store.list_objects(prefix):
        first, count, _ = item.key.removeprefix(prefix).split("-")
        yield int(first), int(count)


def find_pod(namespace: Namespace, run: str, index: int, job: str) -> dict[str, Any] | None:
    """The pod of a shard whose main container runs."""
    for pod in namespace.pods(run, job):
        name = pod["metadata"]["annotations"]["workflows.argoproj.io/node-name"]
        states = {each["name"]: each["state"] for each in pod["status"].get("containerStatuses", ())}
        is_at_work = "running" in states.get("main", {}) and not pod["metadata"].get("deletionTimestamp")
        if f".shard({index}:" in name and is_at_work:
            return pod
    return None


def count_rows(namespace: Namespace, pod: dict[str, Any]) -> int:
    """How many rows the pod has; 0 if it can't say."""
    words = ("exec", pod["metadata"]["name"], "-c", "main", "--", "cat", "/outputs/texts/outputs.jsonl")
    return kubectl("-n", namespace.name, *words, check=False).count("\n")
