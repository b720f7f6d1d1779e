"""What a generation in shards costs beside a plan, withSequence and a join that one would write by hand.

    python bench/shards.py -n NAMESPACE [--shards 4] [--rounds 3]

The namespace holds what k8s/base puts there, and a dataset `questions` of .jsonl files. Rounds alternate.
Both run the same command with the echo engine, which takes no time. The goal: at most 10 % more.
"""

import argparse
import json
import subprocess
import tempfile
from datetime import datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from overhead import write_workflow

from argo.compile import ClusterConfig, FileOrigin, Kind, render
from argo.compile.retry_strategy import RETRY_STRATEGY
from argo.compile.workflow import build
from argo.language import load

IMAGE = f"textgen-job-cpu:{version('argo-textgen')}"
WORKFLOW_FILE = """\
jobs:
  write:
    resources: {{instance-type: C5}}
    inputs: {{prompts: {{type: dataset, with: {{ref: questions}}}}}}
    outputs: {{texts: {{type: dataset, with: {{ref: shards-bench}}}}}}
    uses: generate@v1
    with: {{engine: echo, prompts: /inputs/prompts, shards: {shards}}}
"""
PLAN = """seq 64 | sed 's/.*/{"prompt": "What is &?"}/' > /out/new/rows.jsonl"""
SHARD = (
    "awk 'NR % {shards} == {{{{inputs.parameters.index}}}}' /out/old/rows.jsonl > /out/rows.jsonl; cd /out; "
    "python3 -P -m job generate --engine echo --prompts rows.jsonl --output /out/new/texts"
)
JOIN = "cat /out/old/*/texts/outputs.jsonl > /out/new/outputs.jsonl"


def write_by_hand(shards: int) -> str:
    """A Workflow whose pods hand their files over as Argo's artifacts."""

    def template(name: str, script: str, cpu: str, read: str = "", written: str = "") -> dict[str, Any]:
        new = {"name": "new", "path": "/out/new", "archive": {"none": {}}, "s3": {"key": at + written}}
        old = {"name": "old", "path": "/out/old", "s3": {"key": at + read}}
        parameters = [{"name": "index"}] if name == "shard" else []
        return {
            "name": name,
            "inputs": {"parameters": parameters, "artifacts": [old] if read else []},
            "container": {
                "image": IMAGE,
                "command": ["sh", "-c", f"mkdir -p /out/new; {script}"],
                "resources": {"requests": {"cpu": cpu, "memory": "256Mi"}},
                "volumeMounts": [{"name": "out", "mountPath": "/out"}],
            },
            "volumes": [{"name": "out", "emptyDir": {}}],
            "outputs": {"artifacts": [new]},
            "retryStrategy": RETRY_STRATEGY,
        }

    at = "by-hand/{{workflow.uid}}/"
    index = {"parameters": [{"name": "index", "value": "{{item}}"}]}
    count = {"count": str(shards)}
    tasks: list[dict[str, Any]] = [
        {"name": "plan", "template": "plan"},
        {"name": "shard", "template": "shard", "depends": "plan", "withSequence": count, "arguments": index},
        {"name": "join", "template": "join", "depends": "shard"},
    ]
    templates = [
        {"name": "main", "dag": {"failFast": False, "tasks": tasks}},
        template("plan", PLAN, "100m", written="plan/"),
        template(
            "shard",
            SHARD.format(shards=shards),
            "250m",
            "plan/",
            "shards/{{inputs.parameters.index}}/",
        ),
        template("join", JOIN, "100m", "shards/", "joined/"),
    ]
    return write_workflow("by-hand", "main", templates)


def kubectl(namespace: str, *words: str, text: str | None = None) -> str:
    """What it prints."""
    command = ["kubectl", "-n", namespace, *words]
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


def measure(namespace: str, workflow: str) -> float:
    """Seconds of a run. Raises SystemExit where it fails."""
    run = kubectl(namespace, "create", "-o", "name", "-f", "-", text=workflow).strip()
    kubectl(namespace, "wait", "--for=jsonpath={.status.finishedAt}", run, "--timeout=600s")
    status = json.loads(kubectl(namespace, "get", run, "-o", "json"))["status"]
    if status["phase"] != "Succeeded":
        raise SystemExit(f"{run}: {status['phase']}: {status.get('message')}")
    start, end = (datetime.fromisoformat(status[key]) for key in ("startedAt", "finishedAt"))
    return (end - start).total_seconds()


def main() -> None:
    """Print each round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-n", "--namespace", required=True)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "shards.yaml")
        file.write_text(WORKFLOW_FILE.format(shards=args.shards), "utf-8")
        cluster = ClusterConfig(scale=Fraction(1, 16))
        compiled = render(build(load(file), Kind.WORKFLOW, cluster, FileOrigin(file.name)), file.name)
    for number in range(args.rounds):
        hand, own = (measure(args.namespace, each) for each in (write_by_hand(args.shards), compiled))
        print(
            f"round {number + 1}: by hand {hand:.0f} s, generate@v1 {own:.0f} s, ratio {own / hand:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
