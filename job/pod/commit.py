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

from job.datasets import DatasetRef, Datasets, Origin
from job.errors import CommitError
from job.pod import record, volume
from job.pod.ending import explained
from job.pod.record import Record
from job.pod.steps import INPUTS, LINEAGE, OUTPUTS, told

STRING_LIMIT = 256 << 10  # bytes


@click.command("commit")
@explained
def command() -> None:
    """Store a job's outputs, as TEXTGEN_STEPS says."""
    steps = told()
    datasets = Datasets.at(os.environ["TEXTGEN_STORE"])
    lineage = {
        **steps.get("lineage", {}),
        **json.loads(LINEAGE.read_text("utf-8")),
        "run": os.environ["TEXTGEN_RUN_NAME"],
        "job": steps["job"],
    }
    store(datasets, os.environ["TEXTGEN_RUN"], steps["job"], steps["outputs"], lineage)


def store(
    datasets: Datasets,
    run: str,
    job: str,
    outputs: Mapping[str, Mapping[str, Any]],
    lineage: Mapping[str, object],
    *,
    inputs: Path = INPUTS,
    root: Path = OUTPUTS,
) -> Record:
    """Store every output of a job, once.

    Raises CommitError for a string that was not written, an empty dataset, and what can't be read.
    """
    if done := record.read(datasets.store, run, job):
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
        origin = Origin(run, job, name)
        if "dataset" in kind:
            ref = DatasetRef.parse(kind["dataset"])
            versions[name] = str(datasets.commit(ref, root / name, lineage=lineage, origin=origin))
        elif "model" in kind:
            ref = DatasetRef.parse(kind["model"]["name"])
            made = {**lineage, "model": kind["model"]}
            strings[name] = str(datasets.commit(ref, inputs / "model", lineage=made, origin=origin))
        if name in versions or "model" in kind:
            click.echo(f"committed {versions.get(name) or strings[name]}")
    result = Record(strings, volumes, versions)
    record.write(datasets.store, run, job, result)
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
