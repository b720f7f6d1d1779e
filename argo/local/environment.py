"""What of this machine's environment a job gets: ways to the network, never what is private."""

import os
import re
from collections.abc import Mapping

_NETWORK = re.compile(r"(http|https|ftp|all|no)_proxy|HF_HUB_OFFLINE|HF_ENDPOINT|HF_TOKEN|PROJECT_ID", re.I)
# These hold paths and indexes of this machine, which an image does not know.
_MACHINE = re.compile(
    r"LANG|LC_\w+|TZ|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|PIP_\w+|UV_INDEX\w*|CUDA_VISIBLE_DEVICES|OMP_NUM_THREADS"
)
SECRET = frozenset({"HF_TOKEN"})


def of_network(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Proxies, and the model hub's address, state and token."""
    return {name: value for name, value in environ.items() if _NETWORK.fullmatch(name)}


def of_machine(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """That, and language, certificates and package indexes."""
    local = {name: value for name, value in environ.items() if _MACHINE.fullmatch(name)}
    return {**of_network(environ), **local}
