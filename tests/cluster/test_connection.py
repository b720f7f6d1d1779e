"""Cluster and namespace are those that kubectl would take."""

import json
import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from argo.cluster.api import UnreachableError
from argo.cluster.connection import connect
from job.errors import InputError

Connected = Callable[..., str]


def config(name: str, namespace: str | None = None, *, current: bool = False) -> str:
    context = {"cluster": name, "user": name} | ({"namespace": namespace} if namespace else {})
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": f"https://{name}"}}],
            "users": [{"name": name, "user": {"token": "t"}}],
            "contexts": [{"name": name, "context": context}],
            "current-context": name if current else "",
        }
    )


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "one").write_text(config("one", "team-a", current=True))
    (tmp_path / "two").write_text(config("two"))
    return [tmp_path / "one", tmp_path / "two"]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Connected:
    def told(files: list[Path], *words: str) -> str:
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
        api = connect(*words)
        return f"{api} {api.server}"

    return told


def test_the_current_context_and_its_namespace(files: list[Path], connected: Connected) -> None:
    assert connected(files) == "one/team-a https://one"


def test_another_files_context_and_another_namespace(files: list[Path], connected: Connected) -> None:
    assert connected(files, "two") == "two/default https://two"
    assert connected(files, "two", "mine") == "two/mine https://two"


def test_the_first_file_that_names_a_current_context_counts(files: list[Path], connected: Connected) -> None:
    third = files[0].with_name("three")
    third.write_text(config("three", current=True))
    assert connected([files[1], files[0], third]) == "one/team-a https://one"
    with pytest.raises(InputError, match="no current context: give --context"):
        connected([files[1]])


def test_what_is_not_there_is_said(files: list[Path], connected: Connected) -> None:
    with pytest.raises(InputError, match="too: no such context; did you mean 'two'"):
        connected(files, "too")
    with pytest.raises(InputError, match="no cluster to connect to: there is no kubeconfig"):
        connected([files[0].with_name("none")])


class LoginPage(BaseHTTPRequestHandler):
    """What a proxy that wants a login answers, with status 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_in_place_of_an_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), LoginPage) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        told = config("proxy", current=True).replace(
            "https://proxy", f"http://127.0.0.1:{server.server_port}"
        )
        (tmp_path / "config").write_text(told)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        with pytest.raises(UnreachableError, match="is a proxy in between"):
            connect().get("/version")
        server.shutdown()
