"""Which cluster, namespace and credentials: as kubectl takes them."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from argo.cluster.kubeconfig_paths import list_paths
from job.checkout.git import redact_url
from job.errors import InputError
from job.text import quoted

if TYPE_CHECKING:
    from argo.cluster.api import Api

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONNECTIONS = 64  # one for each container that is followed


def is_configured() -> bool:
    """Whether this machine has a kubeconfig, or runs inside a cluster."""
    return any(path.is_file() and path.stat().st_size for path in list_paths()) or _in_cluster()


def connect(context: str | None = None, namespace: str | None = None) -> "Api":
    """The cluster of KUBECONFIG's files or ~/.kube/config; inside a cluster, of the pod's service account.

    Sends no request. Raises InputError for a configuration that can't be used.
    """
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    from argo.cluster.api import Api
    from argo.cluster.kubeconfig import load_kubeconfig

    configuration = Configuration()
    configuration.retries = False  # urllib3 would log each of them
    configuration.connection_pool_maxsize = _CONNECTIONS
    default_namespace: str | None
    try:
        if context is None and _in_cluster() and not os.environ.get("KUBECONFIG"):
            name, default_namespace = _load_service_account(configuration)
        else:
            name, default_namespace = load_kubeconfig(configuration, context)
        with warnings.catch_warnings(action="ignore"):  # that SOCKS needs a package
            client = ApiClient(configuration)
    except (ConfigException, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"no cluster to connect to: {reason}") from error
    except (HTTPError, ImportError) as error:  # without a scheme, or SOCKS
        proxy = quoted(redact_url(str(configuration.proxy)))
        raise InputError(f"{proxy} is no proxy to the cluster: write http://HOST:PORT") from error
    return Api(client, name, namespace or default_namespace or "default", is_current=context is None)


def _load_service_account(configuration: Any) -> tuple[str, str]:
    from kubernetes.config import load_incluster_config

    load_incluster_config(client_configuration=configuration)
    return "in-cluster", (_SERVICE_ACCOUNT / "namespace").read_text("utf-8").strip()


def _in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and (_SERVICE_ACCOUNT / "token").is_file()
