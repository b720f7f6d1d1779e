"""`python -m job commit`: what a job made, stored; the last container of its pod, after a success only.

Volumes and strings are stored before the datasets are committed, and the job's record after both. A
pod that is made again finds the record, or the versions that its first attempt committed.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from job.checkout.git import is_commit, redact_url
from job.datasets import DatasetRef, Datasets, Producer
from job.errors import CommitError
from job.pod import results, volume
from job.pod.results import JobResults
from job.pod.retry import patiently
from job.pod.spec import INPUTS, LINEAGE, OUTPUTS, VERSIONS, told, value
from job.pod.termination import explained

STRING_LIMIT = 256 << 10  # bytes


@click.command("commit")
@explained
def command() -> None:
    """Store a job's outputs, as TEXTGEN_STEPS says."""
    steps = told()
    datasets = Datasets.at(os.environ["TEXTGEN_STORE"])
    lineage = {
        "run": os.environ["TEXTGEN_RUN_NAME"],
        "job": steps["job"],
        **steps.get("lineage", {}),
        **_pushed(steps.get("event", {})),
        **json.loads(LINEAGE.read_text("utf-8")),
    }
    run, job, outputs = os.environ["TEXTGEN_RUN"], steps["job"], steps["outputs"]
    done = patiently(lambda: store(datasets, run, job, outputs, lineage))
    for name, version in done.datasets.items():
        (VERSIONS / name).write_text(version, "utf-8")


def _pushed(event: Mapping[str, Any]) -> dict[str, Any]:
    """The repository that the run is for. A branch's commit is with the checkouts."""
    url, ref = (value(event.get(name), os.environ) for name in ("url", "ref"))
    if not url:
        return {}
    return {"repository": {"url": redact_url(url), "commit" if is_commit(ref) else "ref": ref}}


def store(
    datasets: Datasets,
    run: str,
    job: str,
    outputs: Mapping[str, Mapping[str, Any]],
    lineage: Mapping[str, object],
    *,
    inputs: Path = INPUTS,
    root: Path = OUTPUTS,
) -> JobResults:
    """Store every output of a job, once.

    Raises CommitError for a string that was not written, an empty dataset, and what can't be read.
    """
    if done := results.read(datasets.store, run, job):
        click.echo(f"{job}: was stored before")
        return done
    strings = {name: _text(root / name) for name, kind in outputs.items() if "string" in kind}
    volumes = {
        name: volume.save(datasets.store, run, job, name, root / name)
        for name, kind in outputs.items()
        if "volume" in kind
    }
    versions: dict[str, str] = {}
    for name, kind in outputs.items():
        if "dataset" in kind:
            ref, folder, made = kind["dataset"], root / name, lineage
        elif "model" in kind:
            ref, folder, made = kind["model"]["name"], inputs / "model", {**lineage, "model": kind["model"]}
        else:
            continue
        version = datasets.commit_version(
            DatasetRef.parse(ref), folder, lineage=made, producer=Producer(run, job, name)
        )
        versions[name] = str(version)
        click.echo(f"committed {version}")
    strings |= {name: versions[name] for name, kind in outputs.items() if "model" in kind}
    result = JobResults(strings, volumes, versions)
    results.write(datasets.store, run, job, result)
    return result


def _text(path: Path) -> str:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise CommitError(f"{path}: {error.strerror}; the job must write its string there") from error
    if len(body) > STRING_LIMIT:
        raise CommitError(f"{path}: {len(body)} bytes, over the {STRING_LIMIT} of a string; use a volume")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommitError(f"{path}: not UTF-8; use a volume") from error
