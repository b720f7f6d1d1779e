"""What an account with the role textgen-submitter alone can do: with the policy, no credentials."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.kubernetes import Namespace, kubectl
from tests.k8s.policy import ROOT, Object, build_workflow, stranger, variable

pytestmark = pytest.mark.cluster

CANARY = "canary-of-the-secret"
CONTEXT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

Attack = Callable[[Object], object]


class Submitter:
    """CI's account in a namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        name = namespace.name
        kubectl("-n", name, "apply", "-f", str(ROOT / "k8s/base/submitter.yaml"))
        kubectl("-n", name, "create", "serviceaccount", "ci")
        account = f"--serviceaccount={name}:ci"
        kubectl("-n", name, "create", "rolebinding", "ci", "--role=textgen-submitter", account)
        self.words = ("-n", name, f"--as=system:serviceaccount:{name}:ci")
        canary = json.dumps({"stringData": {"CANARY": CANARY}})
        kubectl("-n", name, "patch", "secret", "textgen-store", "-p", canary)

    def can(self, *words: str) -> bool:
        """Whether it may do that."""
        return kubectl(*self.words, "auth", "can-i", *words, check=False).strip() == "yes"

    def submit(self, workflow: Object) -> Object:
        """The Workflow when it has ended."""
        text = json.dumps(workflow)
        created = json.loads(kubectl(*self.words, "create", "-o", "json", "-f", "-", text=text))
        return self.namespace.ended(created["metadata"]["name"])


@pytest.fixture(scope="module")
def submitter(protected: Namespace) -> Submitter:
    return Submitter(protected)


@pytest.fixture(scope="module")
def submitter_without_policy(restricted: Namespace) -> Iterator[Submitter]:
    submitter = Submitter(restricted)
    yield submitter
    kubectl("-n", restricted.name, "delete", "serviceaccount,rolebinding", "ci")


def raw_workflow(**fields: Any) -> Object:
    """A Workflow that nobody compiled: it prints the variables of its container."""
    container = {"image": "debian:12", "command": ["sh", "-c", "env; cat /stolen/* 2>/dev/null; true"]}
    main = {"name": "main", "container": {**container, "securityContext": CONTEXT}}
    executor = {"securityContext": CONTEXT}
    patch = {
        "initContainers": [{"name": "init", **executor}],
        "containers": [{"name": "wait", **executor}],
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "raw-"},
        "spec": {
            "entrypoint": "main",
            "templates": [main],
            "serviceAccountName": "textgen",
            "automountServiceAccountToken": False,
            "executor": {"serviceAccountName": "textgen-executor"},
            "artifactRepositoryRef": {"configMap": "artifact-repositories", "key": "textgen-none"},
            "podSpecPatch": json.dumps(patch),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **fields,
        },
    }


def compiled_workflow() -> Object:
    """What `textgen compile` makes of a job with inputs and a dataset."""
    return build_workflow(ROOT / "tests/compile/conformance/script.yaml")


def set_variable(workflow: Object) -> None:
    main = workflow["spec"]["templates"][0]["container"]
    main["env"] = [variable("KEY", "textgen-store", "CANARY")]


def mount_secret(name: str) -> Attack:
    def mount(workflow: Object) -> None:
        template = workflow["spec"]["templates"][0]
        template["volumes"] = [{"name": "stolen", "secret": {"secretName": name}}]
        template["container"]["volumeMounts"] = [{"name": "stolen", "mountPath": "/stolen"}]

    return mount


def patch_pod(patch: Object) -> Attack:
    """Merge into the pods, after the compiled patch of Argo's containers."""

    def change(workflow: Object) -> None:
        whole = json.loads(workflow["spec"]["podSpecPatch"])
        containers = {kind: whole[kind] + patch.get(kind, []) for kind in ("initContainers", "containers")}
        workflow["spec"]["podSpecPatch"] = json.dumps(whole | patch | containers)

    return change


def set_spec(**fields: Any) -> Attack:
    return lambda workflow: workflow["spec"].update(fields)


def write_into_inputs(workflow: Object) -> None:
    """Argo's init writes an artifact, and so a link, before textgen's containers start."""
    for template in workflow["spec"]["templates"]:
        if "containerSet" in template:
            artifact = {"name": "a", "path": "/inputs/a", "raw": {"data": "x"}}
            template["inputs"] = {"artifacts": [artifact]}


def use_other_run(workflow: Object) -> None:
    for template in workflow["spec"]["templates"]:
        for container in template.get("initContainers", ()):
            for each in container["env"]:
                if each["name"] == "TEXTGEN_RUN":
                    each["value"] = "00000000-0000-0000-0000-000000000000"


RAW: dict[str, Attack] = {
    "a variable of main": set_variable,
    "a volume of main": mount_secret("textgen-store"),
    "a volume with git's key": mount_secret("textgen-git"),
    "a volume with the executor's token": mount_secret("textgen-executor.service-account-token"),
    "a patch of main": patch_pod(
        {"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": "textgen-store"}}]}]}
    ),
    "a container that a patch adds": patch_pod(
        {"containers": [stranger("x", envFrom=[{"secretRef": {"name": "textgen-store"}}])]}
    ),
    "the account of the executor": set_spec(
        serviceAccountName="textgen-executor", automountServiceAccountToken=True
    ),
    "the account of the trigger": set_spec(
        serviceAccountName="textgen-trigger", automountServiceAccountToken=True
    ),
    "the account of jobs with its token": patch_pod({"automountServiceAccountToken": True}),
    "the logs' archive, whose keys Argo mounts": set_spec(
        archiveLogs=True, artifactRepositoryRef={"configMap": "artifact-repositories", "key": "textgen"}
    ),
}

COMPILED: dict[str, Attack] = {
    "the image of store": patch_pod({"initContainers": [{"name": "store", "image": "debian:12"}]}),
    "the command of store": patch_pod({"initContainers": [{"name": "store", "command": ["env"]}]}),
    "a hook of store": patch_pod(
        {"initContainers": [{"name": "store", "lifecycle": {"postStart": {"exec": {"command": ["env"]}}}}]}
    ),
    "a variable of store": patch_pod(
        {"initContainers": [{"name": "store", "env": [{"name": "PYTHONPATH", "value": "/outputs"}]}]}
    ),
    "one process table": patch_pod({"shareProcessNamespace": True}),
    "files before checkout": write_into_inputs,
    "another run's results": use_other_run,
}


def assert_refused(submitter: Submitter, workflow: Object) -> None:
    ended = submitter.submit(workflow)
    assert ended["status"]["phase"] in {"Error", "Failed"}
    assert "ValidatingAdmissionPolicy 'textgen-credentials-" in json.dumps(ended["status"])
    label = f"workflows.argoproj.io/workflow={ended['metadata']['name']}"
    assert not kubectl("-n", submitter.namespace.name, "get", "pods", "-l", label, "-o", "name")


@pytest.mark.parametrize("attack", RAW)
def test_a_raw_workflow_gets_no_credentials(attack: str, submitter: Submitter) -> None:
    workflow = raw_workflow()
    RAW[attack](workflow)
    assert_refused(submitter, workflow)


@pytest.mark.parametrize("attack", COMPILED)
def test_a_compiled_workflow_that_is_changed_gets_no_credentials(attack: str, submitter: Submitter) -> None:
    workflow = compiled_workflow()
    COMPILED[attack](workflow)
    assert_refused(submitter, workflow)


@pytest.mark.parametrize("attack", ["a variable of main", "a volume of main", "a patch of main"])
def test_without_the_policy_a_raw_workflow_prints_the_stores_keys(
    attack: str, submitter_without_policy: Submitter
) -> None:
    workflow = raw_workflow()
    RAW[attack](workflow)
    ended = submitter_without_policy.submit(workflow)
    assert ended["status"]["phase"] == "Succeeded"
    name = ended["metadata"]["name"]
    # right pods/log is the submitter's own
    assert CANARY in kubectl(*submitter_without_policy.words, "logs", name, "-c", "main")


def test_a_raw_workflow_without_credentials_runs(submitter: Submitter) -> None:
    assert submitter.submit(raw_workflow())["status"]["phase"] == "Succeeded"


@pytest.mark.parametrize(
    "words",
    [
        ("create", "pods"),
        ("patch", "pods"),
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods", "--subresource=exec"),
        ("create", "pods", "--subresource=attach"),
        ("create", "pods", "--subresource=portforward"),
        ("get", "pods", "--subresource=exec"),
        ("patch", "pods", "--subresource=ephemeralcontainers"),
        ("create", "serviceaccounts", "--subresource=token"),
        ("create", "rolebindings"),
        ("patch", "configmaps"),
        ("patch", "serviceaccounts"),
        ("patch", "namespaces"),
        ("create", "workflowtemplates"),
        ("create", "cronworkflows"),
        ("create", "deployments"),
        ("create", "jobs"),
        ("delete", "workflows"),
        ("delete", "validatingadmissionpolicies"),
        ("impersonate", "serviceaccounts"),
    ],
    ids=" ".join,
)
def test_a_submitter_may_not(words: tuple[str, ...], submitter: Submitter) -> None:
    assert not submitter.can(*words)


def test_the_accounts_of_pods_may_do_little(protected: Namespace) -> None:
    assert list_rights(protected, "textgen-executor") == {"workflowtaskresults.argoproj.io [create patch]"}
    assert list_rights(protected, "textgen") == {"pods/log [get]"}


def list_rights(namespace: Namespace, account: str) -> set[str]:
    """What the account may do besides what everybody may."""

    def ask(name: str) -> set[str]:
        user = f"--as=system:serviceaccount:{namespace.name}:{name}"
        done = subprocess.run(
            ["kubectl", "-n", namespace.name, user, "auth", "can-i", "--list", "--no-headers"],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        return {" ".join([line.split()[0], line[line.rindex("[") :]]) for line in done.stdout.splitlines()}

    return ask(account) - ask("nobody")
