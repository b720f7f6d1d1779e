"""The names by which a run finds what a cluster keeps for it (k8s/base)."""

from hera.workflows import models as m

SERVICE_ACCOUNT = "textgen"
EXECUTOR = "textgen-executor"
ARTIFACTS = ("artifact-repositories", "textgen")  # ConfigMap and key: where logs are archived
SECRETS = "textgen-secrets"  # the values of `secret:NAME`, by name
GIT = "textgen-git"  # for the linked repository: username and password, or ssh-privatekey and known_hosts
_STORE = "textgen-store"  # ConfigMap with the url, and Secret with the credentials

RUN = "{{workflow.uid}}"  # the same for a run that is retried
RUN_NAME = "{{workflow.name}}"


def secret(variable: str, name: str, key: str, *, optional: bool = False) -> m.EnvVar:
    """A variable with a key of a Secret."""
    selector = m.SecretKeySelector(name=name, key=key, optional=optional or None)
    return m.EnvVar(name=variable, value_from=m.EnvVarSource(secret_key_ref=selector))


def environment() -> list[m.EnvVar]:
    """What a container of ours needs to reach the store. No credentials there: the pod's own identity."""
    url = m.ConfigMapKeySelector(name=_STORE, key="url")
    return [
        m.EnvVar(name="TEXTGEN_STORE", value_from=m.EnvVarSource(config_map_key_ref=url)),
        m.EnvVar(name="TEXTGEN_RUN", value=RUN),
        m.EnvVar(name="TEXTGEN_RUN_NAME", value=RUN_NAME),
        *(secret(key, _STORE, key, optional=True) for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
    ]
