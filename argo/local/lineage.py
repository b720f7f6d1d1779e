"""The lineage of a version: what made it, kept with it for ever."""

from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from argo.language.graph import upstream_jobs
from argo.language.model import Container, CreateModel, Generate, Job, Script
from argo.local.generation import main_container
from argo.local.plan import Plan
from argo.repository import CodeVersion
from argo.runs import now


def build_lineage(
    plan: Plan,
    run: str,
    job: Job,
    *,
    code: CodeVersion | None,
    inputs: Mapping[str, str],
    checkouts: Mapping[str, Mapping[str, object]],
) -> dict[str, object]:
    """The lineage of the job's versions; `inputs` are the versions that it read, by input."""
    needs = {name: other.needs for name, other in plan.workflow.jobs.items()}
    before = {job.name} | upstream_jobs(needs)[job.name]
    lineage: dict[str, Any] = {
        "run": run,
        "job": job.name,
        "workflow": {
            "name": plan.workflow.name,
            "file": _file(plan),
            "sha256": sha256(plan.workflow.text.encode("utf-8", "surrogateescape")).hexdigest(),
        },
        "parameters": {name: str(value) for name, value in plan.values.items()},
        "inputs": dict(inputs),
        "runtime": plan.runtime.name,
        "textgen": version("argo-textgen"),
        "made": now().isoformat(timespec="seconds"),
    }
    if code:
        lineage["repository"] = {
            "url": code.url,
            "commit": code.commit,
            "dirty": code.dirty,
            "changed_files": code.changed,
            "tree": code.tree,
        }
        if missing := code.missing.to_json():
            lineage["repository"] |= {"missing": missing}
    if earlier := {name: checkout for name, checkout in checkouts.items() if name in before}:
        lineage["checkouts"] = earlier
    match job.action:
        case Container() | Script() | Generate() as action:
            lineage["image"] = main_container(job, action).image
        case CreateModel(name=name, type=kind):
            lineage["model"] = {"name": name, "type": kind}
    return lineage


def _file(plan: Plan) -> str:
    path = plan.workflow.path.resolve()
    return str(path.relative_to(plan.root)) if plan.root and path.is_relative_to(plan.root) else path.name
