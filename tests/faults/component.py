"""The processes that the cluster of tests consists of, where they are this machine's own."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.kubernetes import until

STATE = Path(os.environ.get("TEST_CLUSTER_HOME") or Path.home() / ".cache" / "test-cluster") / "state"
_NETWORK = "/run/netns/testnode"
# In the cluster's network, on its own: pytest's end is not the component's.
_START = 'log=$1 network=$2; shift 2; nsenter --net="$network" setsid "$@" >>"$log" 2>&1 </dev/null & echo $!'


@contextmanager
def stopped(name: str, answers: Callable[[], object]) -> Iterator[None]:
    """A component that is killed, and started again as it was; at the end it answers.

    Skips the test where the component is not a process of this machine.
    """
    file = STATE / f"{name}.pid"
    if os.environ.get("KUBECONFIG") != str(STATE / "admin.kubeconfig") or not file.exists() or os.geteuid():
        pytest.skip(f"{name} is not this machine's own process: nothing here may stop it")
    process = Path("/proc") / file.read_text().strip()
    words = (process / "cmdline").read_text().split("\0")[:-1]
    environment = dict(
        line.split("=", 1) for line in (process / "environ").read_text().split("\0") if "=" in line
    )
    folder = (process / "cwd").readlink()
    os.kill(int(process.name), signal.SIGKILL)
    until(lambda: not process.exists(), f"the end of {name}", 20)
    try:
        yield
    finally:
        start = ["bash", "-c", _START, "bash", str(STATE / "log" / f"{name}.log"), _NETWORK, *words]
        started = subprocess.run(
            start, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=20
        )
        file.write_text(started.stdout)
        until(answers, f"{name} to answer again", 60, every=0.5)
