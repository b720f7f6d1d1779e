"""Which cluster, namespace and credentials: as kubectl takes them."""

import os
from pathlib import Path
from typing import Any

from argo.cluster.api import Api
from job.errors import InputError
from job.text import did_you_mean

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_DEFAULT_KUBECONFIG = Path.home() / ".kube" / "config"
_CONNECTIONS = 64  # one for each container that is followed


def is_configured() -> bool:
    """Whether this machine has a kubeconfig, or runs inside a cluster."""
    paths = os.environ.get("KUBECONFIG", "").split(os.pathsep)
    files = [Path(path) for path in paths if path] or [_DEFAULT_KUBECONFIG]
    return any(file.is_file() for file in files) or _in_cluster()


def connect(context: str | None = None, namespace: str | None = None) -> Api:
    """The cluster of KUBECONFIG's files or ~/.kube/config; inside a cluster, of the pod's service account.

    Sends no request. Raises InputError for a configuration that can't be used.
    """
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException
    from yaml import YAMLError

    configuration = Configuration()
    configuration.retries = False  # urllib3 would log each of them
    configuration.connection_pool_maxsize = _CONNECTIONS
    default_namespace: str | None
    try:
        if context is None and _in_cluster() and not os.environ.get("KUBECONFIG"):
            name, default_namespace = _load_service_account(configuration)
        else:
            name, default_namespace = _load_kubeconfig(configuration, context)
    except (KeyError, TypeError, AttributeError) as error:  # YAML of another form
        paths = os.environ.get("KUBECONFIG") or _DEFAULT_KUBECONFIG
        raise InputError(f"no cluster to connect to: not a kubeconfig: {paths}") from error
    except (ConfigException, OSError, ValueError, YAMLError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"no cluster to connect to: {reason}; set KUBECONFIG, or create ~/.kube/config as for kubectl"
        ) from error
    return Api(
        ApiClient(configuration),
        name,
        namespace or default_namespace or "default",
        is_current=context is None,
    )


def _load_kubeconfig(configuration: Any, context: str | None) -> tuple[str, str | None]:
    """Load a context. Returns its name and its namespace."""
    from kubernetes.config import ConfigException, load_kube_config
    from kubernetes.config.kube_config import KubeConfigMerger

    paths = os.environ.get("KUBECONFIG") or str(_DEFAULT_KUBECONFIG)
    files = KubeConfigMerger(paths).config_files.values()
    if not files:
        raise ConfigException(f"no kubeconfig at {paths}")
    contexts: dict[str, Any] = {}
    for file in files:
        contexts = {each["name"]: each["context"] for each in file.get("contexts") or ()} | contexts
    # kubectl takes the first file that names one; the Python client would take the last
    current = next(filter(None, (file.get("current-context") for file in files)), None)
    name = context or current
    if name is None:
        hint = did_you_mean("", contexts) or "the kubeconfig has no contexts"
        raise InputError(f"no current context: give --context; {hint}")
    if name not in contexts:
        raise InputError(f"--context {name}: no such context; {did_you_mean(name, contexts)}")
    load_kube_config(paths, context=name, client_configuration=configuration, persist_config=False)
    return name, contexts[name].get("namespace")


def _load_service_account(configuration: Any) -> tuple[str, str]:
    from kubernetes.config import load_incluster_config

    load_incluster_config(client_configuration=configuration)
    return "in-cluster", (_SERVICE_ACCOUNT / "namespace").read_text("utf-8").strip()


def _in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and (_SERVICE_ACCOUNT / "token").is_file()
