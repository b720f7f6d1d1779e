"""What a run on the cluster has made, as its pods tell it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from argo.cluster import run
from argo.cluster.api import Api, Object
from argo.cluster.follow import Sight
from argo.cluster.tail import printed
from argo.local.record import Phase

# What the last container of a pod says of each version, once it is in the store.
_COMMITTED = re.compile(r"committed (\S+):(\S+)")


def versions(api: Api, sight: Sight) -> Mapping[str, Mapping[str, str]]:
    """For each job the version of each of its outputs: NAME:VERSION by the output's name."""
    done = {name for name, job in sight.record.jobs.items() if job.phase is Phase.SUCCEEDED}
    names = _outputs(sight.workflow)
    found: dict[str, dict[str, str]] = {}
    for line in printed(api, sight, done & names.keys()):
        if match := _COMMITTED.fullmatch(line.text):
            dataset, version = match.groups()
            output = names[line.job].get(dataset, dataset)
            found.setdefault(line.job, {})[output] = f"{dataset}:{version}"
    return found


def last_lines(api: Api, sight: Sight, job: str, count: int) -> list[str]:
    """The end of a job's log."""
    return [line.text for line in printed(api, sight, {job})][-count:]


def _outputs(workflow: Object) -> Mapping[str, Mapping[str, str]]:
    """For each job that commits: its outputs' names by their datasets."""
    found: dict[str, Mapping[str, str]] = {}
    for template in run.specification(workflow).get("templates") or ():
        for container in _containers(template):
            for variable in container.get("env") or ():
                if variable["name"] == "TEXTGEN_STEPS" and "outputs" in variable.get("value", ""):
                    told = json.loads(variable["value"])
                    found[told["job"]] = {
                        output.get("dataset") or output["model"]["name"]: name
                        for name, output in told.get("outputs", {}).items()
                        if {"dataset", "model"} & output.keys()
                    }
    return {job: names for job, names in found.items() if names}


def _containers(template: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (template.get("containerSet") or {}).get("containers") or []
