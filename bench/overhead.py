"""What a run costs beside a minimal Argo workflow of the same job: one pod, a git artifact in, an S3 one out.

    python bench/overhead.py -n NAMESPACE REPOSITORY COMMIT [ROUNDS]

The namespace holds what k8s/base puts there, and the pods reach REPOSITORY by git. Rounds alternate, and the
job itself takes no time, so that all the time is the workflow's. The goal: at most 10 % more.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from argo import kubernetes_names
from argo.compile import ClusterConfig, FileOrigin, Kind, render
from argo.compile.workflow import build
from argo.language import load

IMAGE = "debian:12"
SCRIPT = "cp /inputs/repo/README.md /outputs/text/"
# The tutorial's shape: a checkout that a job reads, and a dataset.
WORKFLOW_FILE = f"""\
jobs:
  CloneRepo:
    uses: git-checkout@v1
    with: {{url: context.event.github.url, ref: context.event.github.ref}}
    outputs: {{repo: {{type: volume}}}}
  Generate:
    uses: script@v1
    needs: [CloneRepo]
    inputs: {{repo: CloneRepo.outputs.repo}}
    outputs: {{text: {{type: dataset, with: {{ref: overhead}}}}}}
    with: {{image: '{IMAGE}', script: '{SCRIPT}'}}
"""


def minimal(repository: str, commit: str) -> str:
    """What one would write by hand."""
    artifact = {"name": "repo", "path": "/inputs/repo", "git": {"repo": repository, "revision": commit}}
    text = {
        "name": "text",
        "path": "/outputs/text",
        "archive": {"none": {}},
        "s3": {"key": "{{workflow.name}}"},
    }
    template = {
        "name": "generate",
        "inputs": {"artifacts": [artifact]},
        "outputs": {"artifacts": [text]},
        "container": {
            "image": IMAGE,
            "command": ["bash", "-c", SCRIPT],
            "volumeMounts": [{"name": "outputs", "mountPath": "/outputs/text"}],
        },
        "volumes": [{"name": "outputs", "emptyDir": {}}],
    }
    return write_workflow("minimal", "generate", [template])


def write_workflow(name: str, entrypoint: str, templates: Sequence[dict[str, Any]]) -> str:
    """A Workflow by hand, under textgen's service accounts, and with its artifact repository."""
    spec = {
        "entrypoint": entrypoint,
        "serviceAccountName": kubernetes_names.SERVICE_ACCOUNT,
        "executor": {"serviceAccountName": kubernetes_names.EXECUTOR_ACCOUNT},
        "automountServiceAccountToken": False,
        "artifactRepositoryRef": {"configMap": kubernetes_names.ARTIFACT_REPOSITORIES, "key": "textgen"},
        "templates": templates,
    }
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    return json.dumps({**kind, "metadata": {"generateName": f"{name}-"}, "spec": spec})


def took(namespace: str, workflow: str) -> float:
    """Seconds from its creation until kubectl sees it ended. Raises SystemExit where it fails."""
    kubectl = ("kubectl", "-n", namespace)
    start = time.perf_counter()
    created = subprocess.run(
        [*kubectl, "create", "-o", "name", "-f", "-"],
        input=workflow,
        capture_output=True,
        text=True,
        check=True,
    )
    run = created.stdout.strip()
    ended = "--for=jsonpath={.status.finishedAt}"
    subprocess.run([*kubectl, "wait", ended, run, "--timeout=300s"], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    phase = [*kubectl, "get", run, "-o", "jsonpath={.status.phase} {.status.message}"]
    status = subprocess.run(phase, capture_output=True, text=True, check=True).stdout
    if not status.startswith("Succeeded"):
        raise SystemExit(f"{run}: {status}")
    return seconds


def main() -> None:
    """Print the two medians, their spread and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-n", "--namespace", required=True)
    parser.add_argument("repository")
    parser.add_argument("commit")
    parser.add_argument("rounds", type=int, nargs="?", default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "overhead.yaml")
        file.write_text(WORKFLOW_FILE, "utf-8")
        origin = FileOrigin(file.name, args.repository, args.commit)
        compiled = render(build(load(file), Kind.WORKFLOW, ClusterConfig(), origin), file.name)
    both = {"minimal": minimal(args.repository, args.commit), "textgen": compiled}
    times: dict[str, list[float]] = {name: [] for name in both}
    for number in range(args.rounds):
        for name, workflow in both.items():
            times[name].append(took(args.namespace, workflow))
        print(
            f"round {number + 1}: " + ", ".join(f"{name} {each[-1]:.1f} s" for name, each in times.items()),
            flush=True,
        )
    print(f"{'':10}{'median':>8}{'fastest':>9}{'slowest':>9}")
    for name, each in times.items():
        print(f"{name:10}{statistics.median(each):6.1f} s{min(each):7.1f} s{max(each):7.1f} s")
    ratio = statistics.median(times["textgen"]) / statistics.median(times["minimal"])
    print(f"ratio     {ratio:8.2f}    goal: at most 1.10")


if __name__ == "__main__":
    main()
