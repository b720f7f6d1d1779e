"""Runs of a cluster on the pages, from an API server that answers with a recorded Workflow."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.cluster.kubernetes import until
from tests.view.site import Site, served
from tests.view.test_access import ask
from tests.view.test_away import KUBECONFIG

RECORDED = Path(__file__).parents[1] / "cluster/recorded/failed.json"


class Answers(BaseHTTPRequestHandler):
    """The Workflow, alone and in a list; no pods, and nothing else. None before `may_answer`."""

    may_answer = Event()

    def do_GET(self) -> None:
        self.may_answer.wait(60)
        workflow = json.loads(RECORDED.read_text("utf-8"))
        path = self.path.partition("?")[0].partition("/namespaces/base/")[2]
        lists = {"workflows": [workflow], "pods": []}
        known = {f"workflows/{workflow['metadata']['name']}": workflow}
        known |= {name: {"items": items, "metadata": {}} for name, items in lists.items()}
        body = json.dumps(known.get(path, {"kind": "Status", "code": 404, "message": "not found"})).encode()
        self.send_response(200 if path in known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "kubeconfig").write_text(KUBECONFIG.replace(":9'", f":{server.server_port}'"))
        yield str(tmp_path / "kubeconfig")
        server.shutdown()


def test_a_run_of_the_cluster_is_listed_and_shown(project: Site, kubeconfig: str) -> None:
    project.add_example_run("made")
    name = json.loads(RECORDED.read_text("utf-8"))["metadata"]["name"]

    def list_it() -> str:
        page = ask(project)[2]
        return page if f'href="/runs/{name}"' in page else ""

    with served(project, "-n", "base", KUBECONFIG=kubeconfig):
        body = ask(project)[2]
        assert "the cluster has not answered yet" in body
        assert '<body data-refresh="2.0">' in body
        Answers.may_answer.set()
        body = until(list_it, "the run", 120)
        assert "cluster, base" in body
        assert "/runs/made" not in body
        assert '<p class="problem"' not in body
        status, _, body = ask(project, f"/runs/{name}")
        assert status == 200
        assert "<b>fails</b> main: Error (exit code 7)" in body
        assert body.count('aria-label="has not begun"') == 1
        assert f'data-log="/logs/{name}/fails/follow"' in body
        assert "no run &#39;other&#39;" in ask(project, "/runs/other")[2]
