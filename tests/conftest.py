"""What holds for every test, and stores for those that need one."""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from job.datasets import DatasetRef
from tests.storage.proxy import Proxy, proxied
from tests.storage.servers import ENVIRONMENT, WHICH, running

pytest_plugins = ["tests.cluster.fixtures"]

# A busy machine is slow, and no failure.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def no_cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that the person at this machine works with is no test's business."""
    if not request.node.get_closest_marker("cluster"):
        monkeypatch.setenv("KUBECONFIG", "/dev/null")


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts take no time."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture(scope="session")
def credentials() -> Iterator[None]:
    """Those of the test's server and nobody else's, also for the processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def endpoint_of(
    tmp_path_factory: pytest.TempPathFactory, credentials: None
) -> Iterator[Callable[[str], str]]:
    """Starts the server of a name when it is first asked for its endpoint."""
    with ExitStack() as servers:
        yield cache(lambda which: servers.enter_context(running(which, tmp_path_factory.mktemp("server"))))


@pytest.fixture
def server(request: pytest.FixtureRequest, endpoint_of: Callable[[str], str]) -> str:
    """The endpoint of the server that `on_every_server` gives a test, or of the usual one."""
    return endpoint_of(getattr(request, "param", WHICH))


@pytest.fixture(scope="session")
def client_of() -> Callable[[str], Any]:
    import boto3

    return cache(lambda endpoint: boto3.client("s3", endpoint_url=endpoint))


@pytest.fixture
def boto(server: str, client_of: Callable[[str], Any]) -> Any:
    return client_of(server)


@pytest.fixture(scope="session")
def bucket_at(client_of: Callable[[str], Any]) -> Callable[[str], str]:
    """Makes a bucket at an endpoint that is asked for the first time."""

    @cache
    def made(endpoint: str) -> str:
        name = f"test-{secrets.token_hex(4)}"
        client_of(endpoint).create_bucket(Bucket=name)
        return name

    return made


@pytest.fixture
def bucket(server: str, bucket_at: Callable[[str], str]) -> str:
    return bucket_at(server)


def note_that_it_works(boto: Any, bucket: str, root: str, *endpoints: str) -> None:
    """Spare a test the probe, which has tests of its own."""
    note = {"format": 1, "put_if_absent": {f"{endpoint}/{bucket}": True for endpoint in endpoints}}
    boto.put_object(Bucket=bucket, Key=f"{root}/store.json", Body=json.dumps(note))


@pytest.fixture
def s3(server: str, bucket: str, boto: Any) -> str:
    """The URL of an empty store in the bucket."""
    root = f"{secrets.token_hex(4)}/root"
    note_that_it_works(boto, bucket, root, server)
    return f"s3://{bucket}/{root}?endpoint={server}"


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with proxied(server) as proxy:
        yield proxy


@pytest.fixture
def behind(s3: str, proxy: Proxy, boto: Any, bucket: str) -> str:
    """The URL of the same store as `s3`, with the proxy in between."""
    note_that_it_works(
        boto, bucket, s3.partition("?")[0].partition(f"{bucket}/")[2], proxy.upstream, proxy.url
    )
    return s3.replace(proxy.upstream, proxy.url)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The URL of an empty store in a folder."""
    return (tmp_path / "the store").as_uri()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Makes a new folder with files."""

    def made(files: dict[str, str | bytes] | None = None) -> Path:
        root = tmp_path / f"made-{secrets.token_hex(4)}"
        root.mkdir()
        for path, content in ({"a.txt": "a"} if files is None else files).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return made


@pytest.fixture
def demo() -> DatasetRef:
    return DatasetRef("demo")


@pytest.fixture
def disk_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What decides what a power cut leaves, in order: `sync FILE SIZE`, `sync FOLDER` and `move to PATH`."""
    calls: list[str] = []
    fsync: Callable[[int], None] = os.fsync

    def sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append(f"sync {path}" if path.is_dir() else f"sync {path} {os.fstat(descriptor).st_size}")
        fsync(descriptor)

    def record_moves(call: Callable[..., None]) -> Callable[..., None]:
        def move(source: Path, target: Path, **kwargs: Any) -> None:
            call(source, target, **kwargs)
            calls.append(f"move to {target}")

        return move

    monkeypatch.setattr(os, "fsync", sync)
    for name in ("rename", "replace", "link"):
        monkeypatch.setattr(os, name, record_moves(getattr(os, name)))
    return calls
