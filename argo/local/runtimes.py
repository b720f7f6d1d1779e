"""The runtimes by name."""

from argo.local.containers import Containers
from argo.local.host import Host
from argo.local.sandbox import Sandbox
from argo.local.task import Runtime

RUNTIMES: dict[str, Runtime] = {
    "sandbox": Sandbox(),
    "docker": Containers("docker"),
    "podman": Containers("podman"),
    "host": Host(),
}
