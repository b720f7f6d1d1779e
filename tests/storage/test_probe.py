"""Whether a store supports conditional writes is found out by trying."""

import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets
from job.storage.s3.bucket import S3
from tests.storage.proxy import NONE, Fault, Proxy
from tests.storage.servers import free_port, on_every_server, started

Make = Callable[..., Path]


@pytest.fixture
def unprobed(s3: str) -> str:
    Datasets.at(s3).store.delete(["store.json"])
    return s3


@on_every_server
def test_the_probe_believes_an_honest_store(unprobed: str, caplog: pytest.LogCaptureFixture) -> None:
    store = Datasets.at(unprobed).store
    assert store.supports_conditional_writes()
    assert b'": true' in store.get("store.json")
    assert [item.key for item in store.list_objects("")] == ["store.json"]
    assert caplog.text == ""


@on_every_server
def test_the_probe_survives_lost_answers(unprobed: str, proxy: Proxy) -> None:
    proxy.fault = lambda request: (
        Fault(drop=True) if request.conditional and request.number % 9 == 0 else NONE
    )
    assert Datasets.at(unprobed.replace(proxy.upstream, proxy.url)).store.supports_conditional_writes()


class Lying(S3):
    """A client that leaves the condition out, as a store that ignores it would."""

    def try_put_if_absent(self, key: str, body: bytes) -> bool:
        self.put(key, body)
        return True


def test_the_probe_catches_a_store_that_ignores_the_condition(
    unprobed: str, demo: DatasetRef, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    datasets = Datasets(Lying.at(unprobed))
    with caplog.at_level(logging.WARNING):
        versions = [datasets.commit_version(demo, make(), lineage={}) for _ in range(2)]
    assert "does not support conditional writes (If-None-Match): its clock orders versions" in caplog.text
    assert datasets.versions(demo) == versions[::-1]
    assert not Datasets.at(unprobed).store.supports_conditional_writes()  # it is noted


def test_the_probe_catches_a_store_that_knows_no_condition(unprobed: str, proxy: Proxy) -> None:
    proxy.fault = lambda request: Fault(answer=501) if request.conditional else NONE
    assert not Datasets.at(unprobed.replace(proxy.upstream, proxy.url)).store.supports_conditional_writes()


def test_the_probe_catches_rclone(
    tmp_path: Path, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rclone = shutil.which("rclone", path=f"{sys.prefix}/bin:{os.environ['PATH']}")
    if rclone is None:
        pytest.skip("rclone is not installed: no server here that ignores the condition")
    (tmp_path / "served/bucket").mkdir(parents=True)
    port = free_port()
    key, secret = "a-key", "a-secret"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    command = [rclone, "serve", "s3", "--auth-key", f"{key},{secret}", "--addr", f"127.0.0.1:{port}"]
    with started([*command, str(tmp_path / "served")], port, {}, tmp_path):
        datasets = Datasets.at(f"s3://bucket/root?endpoint=http://127.0.0.1:{port}")
        versions = [datasets.commit_version(demo, make(), lineage={}) for _ in range(2)]
        assert not datasets.supports_conditional_writes()
        assert datasets.versions(demo) == versions[::-1]
        datasets.fetch(versions[0], tmp_path / "out")
