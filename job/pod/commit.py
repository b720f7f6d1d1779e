"""What a job made, stored after its success.

Volumes and strings are stored before the datasets are committed, and the job's results after both. A
pod that is made again finds the results, or the versions that its first attempt committed.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from job.checkout.git import is_commit, redact_url
from job.datasets import DatasetRef, Datasets, Producer
from job.errors import NothingToCommitError
from job.pod.modes import read_modes
from job.pod.outputs import (
    DatasetOutput,
    JoinOutput,
    ModelOutput,
    Output,
    PlanOutput,
    ShardOutput,
    StringOutput,
    VolumeOutput,
)
from job.pod.results import JobResults, read_results, write_results
from job.pod.shards.files import store_shard
from job.pod.shards.join import join_shards
from job.pod.shards.keys import Shards, read_index
from job.pod.shards.plan import store_plan
from job.pod.spec import INPUTS, LINEAGE, OUTPUTS, RUN, RUN_NAME, VERSIONS_1, StoreSpec, load_spec
from job.pod.store_outage import retry_while_unavailable
from job.pod.values import read_variable, resolve_value
from job.pod.volume import save_volume
from job.project import STORE_VARIABLE as STORE
from job.untrusted_files import UntrustedPath


def commit_with_credentials() -> None:
    """Store a job's outputs in a pod of a release before `store`, whose `commit` has the credentials."""
    results = store_job(load_spec(StoreSpec))
    for name, version in results.datasets.items():
        (VERSIONS_1 / name).write_text(version, "utf-8")


def store_job(spec: StoreSpec) -> JobResults:
    """Store the outputs of this pod's job; waits for a store that is away for five minutes.

    Raises CommitError, StoreError and InputError.
    """
    datasets, run = Datasets.at(read_variable(STORE)), read_variable(RUN)
    lineage = {
        "run": read_variable(RUN_NAME),
        "job": spec.job,
        **spec.lineage,
        **_repository_lineage(resolve_value(spec.url, os.environ), resolve_value(spec.ref, os.environ)),
        **_inputs_lineage(),
    }
    return retry_while_unavailable(lambda: store_outputs(datasets, run, spec.job, spec.outputs, lineage))


def list_parameters(outputs: Mapping[str, Output], results: JobResults) -> dict[str, str]:
    """What Argo shows of the results: the versions, and of a plan how many texts there are."""
    plans = [name for name, output in outputs.items() if isinstance(output, PlanOutput)]
    return {**results.datasets, **{name: results.strings[name] for name in plans}}


def _inputs_lineage() -> dict[str, Any]:
    """What the job took, as `inputs` wrote it. A job that takes nothing may have no such container."""
    try:
        lineage: dict[str, Any] = json.loads(LINEAGE.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return lineage


def _repository_lineage(url: str, ref: str) -> dict[str, Any]:
    """The repository that the run is for. A branch's commit is with the checkouts."""
    if not url:
        return {}
    return {"repository": {"url": redact_url(url), "commit" if is_commit(ref) else "ref": ref}}


def store_outputs(
    datasets: Datasets,
    run: str,
    job: str,
    outputs: Mapping[str, Output],
    lineage: Mapping[str, object],
    *,
    inputs: Path = INPUTS,
    root: Path = OUTPUTS,
) -> JobResults:
    """Store every output of a job, once; the job's results, as the first attempt stored them.

    A dataset without a file has no version and is not in the results. The plan and the shards of a job leave
    no results in the store: only its join does. A plan's results are how many texts there are. Raises
    CommitError for a string that was not written, and what can't be read.
    """
    shards = Shards(datasets.store, run, job)
    for name, output in outputs.items():
        match output:
            case PlanOutput():
                plan = store_plan(shards, UntrustedPath.at(root / name), lineage)
                return JobResults(strings={name: str(sum(plan.texts_of_shards))})
            case ShardOutput():
                store_shard(shards, read_index(), UntrustedPath.at(root / name))
                return JobResults()
    if stored := read_results(datasets.store, run, job):
        click.echo(f"{job}: was stored before")
        return stored
    strings = {
        name: UntrustedPath.at(root / name).read_string()
        for name, output in outputs.items()
        if isinstance(output, StringOutput)
    }
    volumes = {
        name: save_volume(datasets.store, run, job, name, UntrustedPath.at(root / name))
        for name, output in outputs.items()
        if isinstance(output, VolumeOutput)
    }
    modes = read_modes(root)
    versions: dict[str, str] = {}
    for name, output in outputs.items():
        match output:
            case DatasetOutput(dataset):
                folder, entries = root / name, lineage
            case JoinOutput(dataset, count):
                version = join_shards(datasets, shards, DatasetRef.parse(dataset), count, name, lineage)
                versions[name] = str(version)
                click.echo(f"committed {version}")
                continue
            case ModelOutput(dataset, kind):
                folder, entries = inputs / "model", {**lineage, "model": {"name": dataset, "type": kind}}
            case _:
                continue
        try:
            version = datasets.commit_version(
                DatasetRef.parse(dataset),
                folder,
                lineage=entries,
                producer=Producer(run, job, name),
                modes=modes.get(name),
            )
        except NothingToCommitError as error:
            click.echo(f"textgen: warning: no version is made: {error}")
            continue
        versions[name] = str(version)
        click.echo(f"committed {version}")
    strings |= {n: versions[n] for n, output in outputs.items() if isinstance(output, ModelOutput)}
    results = JobResults(strings, volumes, versions)
    write_results(datasets.store, run, job, results)
    return results
