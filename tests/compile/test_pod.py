"""What a job's pod asks for and may do."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo.compile import ClusterConfig, FileOrigin, Kind, Security
from argo.compile.workflow import build
from argo.instances import builtin_instances
from argo.kubernetes_names import STORE
from argo.language import load
from job.pod.spec import API, HANDOFF, NOTES, OUTPUTS, VERDICT, InputsSpec, load_spec
from job.pod.steps import CheckoutStep
from job.pod.values import Parameter
from tests.compile.conftest import CompileSpec, Spec

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((Path(__file__).parent / "conformance").glob("*.yaml"))
JOB = """\
jobs:
  run:
    uses: script@v1
    resources: {instance-type: TYPE}
    outputs:
      data: {type: dataset, with: {ref: data}}
    with:
      image: python:3
      script: "true"
"""


def find_template(spec: Spec, name: str = "run") -> dict[str, Any]:
    template: dict[str, Any] = next(each for each in spec["templates"] if each["name"] == name)
    return template


def list_containers(spec: Spec) -> dict[str, dict[str, Any]]:
    """Every container of the spec, by name."""
    containers: list[dict[str, Any]] = []
    for each in spec["templates"]:
        containers += [*each.get("initContainers", []), *each.get("containerSet", {}).get("containers", [])]
        containers += [each["container"]] if "container" in each else []
    return {each["name"]: each for each in containers}


def is_restricted(context: dict[str, Any]) -> bool:
    return (
        context["allowPrivilegeEscalation"] is False
        and context["capabilities"] == {"drop": ["ALL"]}
        and context["runAsNonRoot"] is True
        and context["runAsUser"] > 0
    )


def test_every_container_of_textgens_and_argos_is_restricted_under_baseline(
    compile_spec: CompileSpec,
) -> None:
    spec = compile_spec(JOB.replace("TYPE", "C4"))
    containers = list_containers(spec)
    assert "securityContext" not in containers["main"]
    assert is_restricted(containers["inputs"]["securityContext"])
    assert is_restricted(containers["store"]["securityContext"])
    assert is_restricted(containers["commit"]["securityContext"])
    patch = json.loads(spec["podSpecPatch"])
    assert [each["name"] for each in (*patch["initContainers"], *patch["containers"])] == ["init", "wait"]
    assert all(is_restricted(e["securityContext"]) for e in (*patch["initContainers"], *patch["containers"]))
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_restricted_holds_for_the_whole_pod(compile_spec: CompileSpec) -> None:
    spec = compile_spec(JOB.replace("TYPE", "C4"), ClusterConfig(security=Security.RESTRICTED))
    assert is_restricted(list_containers(spec)["main"]["securityContext"])
    assert spec["securityContext"]["runAsNonRoot"] is True


def test_a_jobs_own_container_has_no_token_and_no_credentials_of_the_store(compile_spec: CompileSpec) -> None:
    spec = compile_spec(JOB.replace("TYPE", "C4"))
    assert spec["automountServiceAccountToken"] is False
    names = {each["name"] for each in list_containers(spec)["main"]["env"]}
    assert not names & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TEXTGEN_STORE"}


@pytest.mark.parametrize("name", sorted(builtin_instances().names()))
def test_every_instance_type_asks_for_less_than_its_machine(name: str, compile_spec: CompileSpec) -> None:
    template = find_template(compile_spec(JOB.replace("TYPE", name)))
    main = template["containerSet"]["containers"][0]
    row = builtin_instances().find(name)
    assert row is not None
    gpus = int(main["resources"]["limits"].get("nvidia.com/gpu", 0))
    assert gpus == row.gpus
    assert ("nodeSelector" in template) == bool(gpus)
    assert int(main["resources"]["requests"]["cpu"].removesuffix("m")) <= int(row.cpu) * 1000 * 4 / 5


def test_scale_is_for_smaller_nodes(compile_spec: CompileSpec) -> None:
    main = list_containers(compile_spec(JOB.replace("TYPE", "C5"), ClusterConfig(scale=Fraction(1, 4))))[
        "main"
    ]
    assert main["resources"] == {
        "requests": {"cpu": "800m", "memory": "1638Mi"},
        "limits": {"memory": "2Gi"},
    }


@pytest.mark.parametrize(
    ("name", "larger"), [("C5", "C6"), ("V100", "A4000"), ("C10", None), ("H100x8", None)]
)
def test_a_pod_knows_its_instance_type_and_the_next_larger_one(
    name: str, larger: str | None, compile_spec: CompileSpec
) -> None:
    annotations = find_template(compile_spec(JOB.replace("TYPE", name)))["metadata"]["annotations"]
    assert annotations["textgen/instance-type"] == name
    assert annotations.get("textgen/larger-instance-type") == larger


# What Argo says of an attempt, and whether there is another.
ENDS = {
    "pod deleted": True,
    'commit: Error (exit code 143): level=INFO msg="waiting for dependency"\nError: exit status 143': True,
    'commit: Error (exit code 64): dependency "main" exited with non-zero code: 143': False,
    "main: Error (exit code 3)": False,
    "main: Error (exit code 143): ": True,
    "Preempted in order to admit critical pod": True,
    "Pod was rejected: The node had condition: [DiskPressure]. ": True,
    "The node was low on resource: ephemeral-storage. Threshold quantity: 2Gi, available: 1Gi. ": True,
    "Pod was terminated in response to imminent node shutdown.": True,
    'wait: Error (exit code 64): workflowtaskresults.argoproj.io "a-1" is forbidden: User "system:s:n:e" '
    'cannot patch resource "workflowtaskresults" in API group "argoproj.io" in the namespace "n"': True,
    'pods "a-1" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities': False,
    'main: Error (exit code 1): secrets is forbidden: User "me" cannot list resource "secrets"': False,
    "Pod ephemeral local storage usage exceeds the total limit of containers 60Gi. ": False,
    'commit: Error (exit code 64): dependency "main" exited with non-zero code: 137': False,
    "commit: Error (exit code 1): s3://texts: there is no such bucket": False,
    "main: OOMKilled (exit code 137): ": False,
}


def test_a_lost_node_is_retried_and_a_failed_script_is_not(compile_spec: CompileSpec) -> None:
    strategy = find_template(compile_spec(JOB.replace("TYPE", "C4")))["retryStrategy"]
    assert strategy["retryPolicy"] == "Always"
    lost = re.fullmatch(r"lastRetry.message matches '(.*)'", strategy["expression"])
    assert lost
    for message, again in ENDS.items():
        assert bool(re.search(lost[1], message)) is again, message
    # Argo counts it from the first pod's start, and a job may have worked for longer
    assert "maxDuration" not in strategy["backoff"]


def test_a_checkout_costs_no_pod_if_jobs_take_its_volume(compile_spec: CompileSpec) -> None:
    spec = compile_spec("""\
jobs:
  before: {uses: script@v1, with: {image: a, script: "true"}}
  clone:
    uses: git-checkout@v1
    needs: [before]
    outputs: {repo: {type: volume}}
    with: {url: context.event.github.url}
  unused:
    uses: git-checkout@v1
    outputs: {repo: {type: volume}}
    with: {url: context.event.github.url}
  use:
    uses: script@v1
    needs: [clone]
    inputs: {code: clone.outputs.repo}
    with: {image: a, script: "true"}
""")
    tasks = {task["name"]: task.get("depends") for task in find_template(spec, "workflow")["dag"]["tasks"]}
    assert tasks == {"before": None, "unused": None, "use": "before"}
    init = find_template(spec, "use")["initContainers"][1]
    assert init["name"] == "checkout"
    inputs = load_spec(InputsSpec, {each["name"]: each.get("value", "") for each in init["env"]})
    step = inputs.steps["/inputs/code"]
    assert isinstance(step, CheckoutStep)
    assert step.ref == Parameter("github-ref")


def test_paths_are_those_of_the_image(compile_spec: CompileSpec) -> None:
    template = find_template(compile_spec(JOB.replace("TYPE", "C4")))
    store = template["initContainers"][0]
    writable = {each["mountPath"]: not each.get("readOnly") for each in store["volumeMounts"]}
    assert writable == {
        str(OUTPUTS): False,
        str(NOTES): False,
        str(HANDOFF): False,
        str(VERDICT): True,
        str(API): False,
    }
    commit = template["containerSet"]["containers"][1]
    assert [each["mountPath"] for each in commit["volumeMounts"]] == [str(HANDOFF)]
    main = template["containerSet"]["containers"][0]
    assert {each["mountPath"] for each in main["volumeMounts"] if each.get("readOnly")} == {str(NOTES)}


def test_nobody_writes_verdicts_but_the_sidecar_and_main_asks_for_none(compile_spec: CompileSpec) -> None:
    template = find_template(compile_spec(JOB.replace("TYPE", "C4")))
    container_set = template["containerSet"]
    assert container_set["volumeMounts"] == [{"name": "verdict", "mountPath": str(VERDICT), "readOnly": True}]
    assert "handoff" not in {each["name"] for each in container_set["containers"][0]["volumeMounts"]}
    assert template["outputs"]["parameters"][0]["valueFrom"]["path"] == f"{VERDICT}/versions/data"


def test_argo_has_no_repository_with_keys_and_archives_no_logs(compile_spec: CompileSpec) -> None:
    spec = compile_spec(JOB.replace("TYPE", "C4"))
    assert spec["archiveLogs"] is False
    reference = spec["artifactRepositoryRef"]
    (repositories,) = [
        each["data"]
        for each in yaml.safe_load_all((ROOT / "k8s" / "base" / "store.yaml").read_text())
        if each["metadata"]["name"] == reference["configMap"]
    ]
    assert yaml.safe_load(repositories[reference["key"]]) == {"archiveLogs": False}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_only_init_containers_of_textgens_have_the_stores_credentials(path: Path) -> None:
    """Whatever a container has: variables, whole Secrets, volumes."""
    workflow = load(path)
    values = {name: "x" for name, each in workflow.inputs.items() if each.default is None}
    document = build(workflow, Kind.WORKFLOW, ClusterConfig(), FileOrigin(path.name), values=values)
    spec = document["spec"]
    jobs = [template for template in spec["templates"] if "dag" not in template]
    assert jobs
    for template in jobs:
        store, *others = template["initContainers"]
        assert (store["name"], store["restartPolicy"]) == ("store", "Always")
        assert [each["name"] for each in others] in ([], ["inputs"], ["checkout"])
        assert all("restartPolicy" not in each for each in others)
        for each in (store, *others):
            assert each["image"] == "textgen:0.1.0"
            assert STORE in json.dumps(each["env"])
        rest = {key: value for key, value in template.items() if key != "initContainers"}
        assert STORE not in json.dumps(rest)
        assert "AWS_" not in json.dumps(rest)
        tokens = {each["name"] for each in template["volumes"] if "projected" in each}
        mounts = json.dumps(rest.get("containerSet") or rest.get("container"))
        assert tokens == {"api"}
        assert '"api"' not in mounts
        assert [each["name"] for each in others if '"api"' in json.dumps(each["volumeMounts"])] == []
        without_identity = template["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"].split(",")
        jobs_own = template.get("containerSet", {}).get("containers") or [template["container"]]
        assert {"init", "wait", *(each.get("name") or "main" for each in jobs_own)} <= {*without_identity}
        assert not {"store", "inputs", "checkout"} & {*without_identity}
    assert STORE not in json.dumps({key: value for key, value in spec.items() if key != "templates"})
