"""`textgen view`: what goes wrong is one line, in the terminal or on the page."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from job.datasets import DatasetRef
from tests.view.site import Site, generated, row
from tests.view.test_access import ask


def view(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "argo", "view", "--no-open", *words],
        cwd=folder,
        env={**os.environ, "KUBECONFIG": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = view(tmp_path, "--port", port)
    assert done.returncode == 2
    assert done.stderr == f"textgen: port {port}: Address already in use; name another with --port\n"


@pytest.mark.parametrize("what", ["a b", "stories:", "x:y:z"])
def test_what_can_be_no_run_and_no_version_is_one_line(tmp_path: Path, what: str) -> None:
    done = view(tmp_path, what)
    assert done.returncode == 2
    assert done.stderr.startswith("textgen: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("what", ["nope", "nope:latest", "team/nope", "stories:nope"])
def test_what_does_not_exist_is_one_line(project: Site, what: str) -> None:
    project.commit("before", "stories", {"a.txt": b"a"})
    done = view(project.root, what)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("textgen: ")
    assert done.stderr.count("\n") == 1


def test_a_name_of_no_run_and_no_dataset_is_said_of_both(project: Site) -> None:
    done = view(project.root, "nope")
    runs, store = project.runs, project.datasets.url
    assert done.stderr == (
        f"textgen: no run 'nope' in {runs}; textgen list shows all runs; no dataset 'nope' in {store}\n"
    )


def test_a_version_that_is_deleted_meanwhile_is_one_line(site: Site) -> None:
    name = site.commit("short-lived", "short", generated([row("a", " text")]))
    assert ask(site, f"/datasets/{name}")[0] == 200
    site.datasets.delete(site.datasets.resolve(DatasetRef.parse(name)))
    for path in (f"/datasets/{name}", f"/rows/{name}?line=1", f"/compare?v={name}&v={name}"):
        status, _, body = ask(site, path)
        assert status == 404
        assert f'role="alert">{name}: ' in body


def test_a_damaged_store_is_one_line(site: Site) -> None:
    name = site.commit("damaged", "damaged", generated([row("a", " text")]))
    dataset, _, version = name.partition(":")
    folder = site.root / ".textgen/datasets/default" / dataset
    (folder / "data" / version / "outputs.jsonl").write_text("{}")
    assert "damaged in the store" in ask(site, f"/datasets/{name}")[2]
    (folder / "manifest" / f"{version}.json").write_text("{}")
    status, _, body = ask(site, f"/datasets/{name}")
    assert status == 502
    assert "damaged in the store: not the manifest that was committed" in body
