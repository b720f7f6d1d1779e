"""A store that is away, or refuses: a run waits for it, or says what is wrong, and tears nothing."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kubernetes import Namespace, namespace, this_host
from tests.faults.followed_run import command, submit, whole_versions
from tests.storage.proxy import NONE, Fault, Proxy, Request, proxied

pytestmark = pytest.mark.cluster

AWAY = 60  # seconds, from the first file of a dataset on
AGAIN = 10  # seconds, from when the next job asks for the volume
WORKFLOW = """
jobs:
  makes:
    uses: script@v1
    outputs:
      data: {type: dataset, with: {ref: makes}}
      tree: {type: volume}
      text: {type: string}
    with:
      image: debian:12
      script: |
        echo text | tee /outputs/data/file /outputs/tree/file > /outputs/text
  takes:
    uses: script@v1
    needs: [makes]
    inputs: {tree: makes.outputs.tree, text: makes.outputs.text, data: makes.outputs.data}
    outputs: {data: {type: dataset, with: {ref: takes}}}
    with:
      image: debian:12
      script: cat /inputs/tree/file /inputs/text /inputs/data/file > /outputs/data/file
  refused:
    uses: script@v1
    outputs: {data: {type: dataset, with: {ref: refused}}}
    with: {image: 'debian:12', script: echo text > /outputs/data/file}
"""


class Outages:
    """The store is away twice, and refuses one dataset's log for good."""

    def __init__(self) -> None:
        self.until = {"/data/": 0.0, "/volumes/": 0.0}
        self.refused: list[str] = []

    def __call__(self, request: Request) -> Fault:
        now = time.monotonic()
        if "default/refused/log/" in request.path and request.method == "PUT":
            return Fault(answer=403, code="AccessDenied")
        if request.method == "PUT" and "default/makes/data/" in request.path:
            self._start("/data/", now + AWAY)
        if request.method == "GET" and "/volumes/makes/" in request.path:
            self._start("/volumes/", now + AGAIN)
        if now < max(self.until.values()):
            self.refused.append(request.path)
            return Fault(answer=503, code="SlowDown")
        return NONE

    def _start(self, what: str, end: float) -> None:
        self.until[what] = self.until[what] or end


@pytest.fixture(scope="module")
def proxy(controller: None, cluster_s3: object) -> Iterator[Proxy]:
    """Between the pods and the store."""
    with proxied(os.environ["S3_ENDPOINT"], host=this_host()) as found:
        yield found


@pytest.fixture(scope="module")
def behind(proxy: Proxy) -> Iterator[Namespace]:
    """A namespace whose pods know the store by the proxy's address."""
    with namespace("restricted", proxy.url) as made:
        yield made


def test_a_run_waits_for_its_store_and_writes_in_order(
    behind: Namespace, proxy: Proxy, tmp_path: Path
) -> None:
    outages = Outages()
    textgen = command(tmp_path, behind, WORKFLOW)
    with submit(textgen) as followed:
        run = followed.run
        proxy.fault = outages
        assert followed.process.wait(600) == 1
    proxy.fault = lambda _: NONE
    assert outages.refused
    assert "\nrefused: commit: Error (exit code 1): s3://" in followed.text
    assert "the credentials lack a right" in followed.text
    assert [whole_versions(behind, name) for name in ("makes", "takes", "refused")] == [1, 1, 0]
    assert "waiting 4 s: s3://" in textgen("logs", run, "makes")

    puts = [request.path for request in proxy.seen if request.method == "PUT"]
    parts = ["/volumes/makes/", "/makes/data/", "/makes/manifest/", "/makes/log/", "/jobs/makes.json"]
    assert sorted(parts, key=lambda part: _first(puts, part)) == parts


def _first(paths: list[str], part: str) -> int:
    return next(number for number, path in enumerate(paths) if part in path)
