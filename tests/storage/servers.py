"""S3 servers for tests, each on a port of its own.

All tests run on ministack, those marked `on_every_server` on MinIO, too. TEXTGEN_TEST_S3 names one server
for all of them: `ministack`, `minio`, or the endpoint of one that runs already, with its credentials in
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

WHICH = os.environ.get("TEXTGEN_TEST_S3", "ministack")
EVERY = [WHICH] if "TEXTGEN_TEST_S3" in os.environ else ["ministack", "minio"]
_KEY, _SECRET = "testtest", "testtest1"
_OWN = {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _SECRET}
ENVIRONMENT = {
    **({} if WHICH.startswith("http") else _OWN),
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


on_every_server = pytest.mark.parametrize("server", EVERY, indirect=True)


@contextmanager
def running(which: str, folder: Path) -> Iterator[str]:
    """The endpoint of a server, which stops afterwards; skips the test if it is not installed."""
    if which.startswith("http"):
        yield which
        return
    port = free_port()
    if which == "minio":
        program = _find_program("minio", Path.home() / ".cache/test-cluster/bin")
        command = [program, "server", "--quiet", "--address", f"127.0.0.1:{port}", str(folder)]
        env = {"MINIO_ROOT_USER": _KEY, "MINIO_ROOT_PASSWORD": _SECRET, "MINIO_BROWSER": "off"}
    else:
        command = [_find_program("ministack", Path(sys.prefix) / "bin")]
        env = {"GATEWAY_PORT": str(port), "EDGE_PORT": str(port), "SERVICES": "s3", "LOG_LEVEL": "ERROR"}
    with started(command, port, env, folder):
        yield f"http://127.0.0.1:{port}"


def _find_program(name: str, folder: Path) -> str:
    program = shutil.which(name, path=f"{folder}:{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"no {name} in {folder} or on PATH")
    return program


@contextmanager
def started(command: list[str], port: int, env: dict[str, str], folder: Path) -> Iterator[None]:
    """A server that answers requests of HTTP on `port`, ended with all its children afterwards."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            env={**os.environ, **env, "HOME": str(folder)},
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(port, server)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        with (
            closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection,
            suppress(OSError, HTTPException),
        ):
            connection.request("GET", "/")
            if connection.getresponse().status != HTTPStatus.SERVICE_UNAVAILABLE:  # as MinIO's is at first
                return
        time.sleep(0.05)
    raise RuntimeError(f"{server.args!r} did not start")


def free_port(host: str = "127.0.0.1") -> int:
    """A port for a server that is yet to start; not of those that the kernel gives to others meanwhile."""
    for port in secrets.SystemRandom().sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise RuntimeError("no free port")
