"""The processes of the tests' cluster, if they run on this machine."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.kubernetes import until

STATE = Path(os.environ.get("TEST_CLUSTER_HOME") or Path.home() / ".cache" / "test-cluster") / "state"
_NETWORK = "/run/netns/testnode"
# In the cluster's network, on its own: pytest's end is not the component's.
_START = 'log=$1 network=$2; shift 2; nsenter --net="$network" setsid "$@" >>"$log" 2>&1 </dev/null & echo $!'


def are_own() -> bool:
    """Whether KUBECONFIG is that of a cluster whose components this process may stop and start."""
    if os.environ.get("KUBECONFIG") != str(STATE / "admin.kubeconfig") or os.geteuid():
        return False
    networks = [_process(name) / "ns" / "net" for name in ("argo", "apiserver", "minio", "kubelet")]
    # a process number may be another process's by now
    return all(each.exists() and each.samefile(_NETWORK) for each in networks)


@contextmanager
def stopped(name: str, answers: Callable[[], bool]) -> Iterator[None]:
    """A component that is killed, and started again as it was; at the end it answers."""
    process = _process(name)
    words = (process / "cmdline").read_text().split("\0")[:-1]
    variables = (process / "environ").read_text().split("\0")[:-1]
    folder = (process / "cwd").readlink()
    os.kill(int(process.name), signal.SIGKILL)
    try:
        until(lambda: not process.exists(), f"the end of {name}", 60)
        yield
    finally:
        start = ["bash", "-c", _START, "bash", str(STATE / "log" / f"{name}.log"), _NETWORK, *words]
        started = subprocess.run(
            start,
            cwd=folder,
            env=dict(line.split("=", 1) for line in variables),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )
        (STATE / f"{name}.pid").write_text(started.stdout)
        until(answers, f"{name} to answer again", 300, every=0.5)


def _process(name: str) -> Path:
    file = STATE / f"{name}.pid"
    return Path("/proc") / (file.read_text().strip() if file.exists() else "none")
