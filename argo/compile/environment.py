"""Variables of a container's environment, and those that each of textgen's containers has."""

from collections.abc import Mapping
from dataclasses import dataclass

from argo.kubernetes_names import STORE
from job.pod import spec
from job.pod.values import parameter_variable
from job.project import STORE_VARIABLE

# Where the Secret of the linked repository is, as files
GIT_FOLDER = "/var/run/secrets/textgen-git"
GIT_SSH_COMMAND = (
    f"ssh -oBatchMode=yes -i {GIT_FOLDER}/ssh-privatekey -oUserKnownHostsFile={GIT_FOLDER}/known_hosts"
)


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The value of a key of a Secret; no variable if that is optional and absent."""

    secret: str
    key: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ConfigMapKey:
    """The value of a key of a ConfigMap."""

    config_map: str
    key: str


@dataclass(frozen=True, slots=True)
class PodField:
    """A field of the pod itself, such as metadata.namespace."""

    path: str


Environment = Mapping[str, str | SecretKey | ConfigMapKey | PodField]

# Without credentials in the Secret, the pod's own identity counts.
STORE_ENVIRONMENT: Environment = {
    STORE_VARIABLE: ConfigMapKey(STORE, "url"),
    spec.RUN: "{{workflow.uid}}",  # the same for a run that is retried
    spec.RUN_NAME: "{{workflow.name}}",
    "AWS_ACCESS_KEY_ID": SecretKey(STORE, "AWS_ACCESS_KEY_ID", optional=True),
    "AWS_SECRET_ACCESS_KEY": SecretKey(STORE, "AWS_SECRET_ACCESS_KEY", optional=True),
}


def parameter_environment(name: str) -> Environment:
    """The variable with a parameter of the workflow, which Argo fills in as base64."""
    return {parameter_variable(name): "{{=toBase64(workflow.parameters['" + name + "'])}}"}
