"""A store or a cluster that is away is a line on the page, and what is here is shown."""

from pathlib import Path

import pytest

from tests.view.site import Site, served
from tests.view.test_access import ask

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: away
contexts: [{name: away, context: {cluster: away, user: me}}]
clusters: [{name: away, cluster: {server: 'http://127.0.0.1:9'}}]
users: [{name: me, user: {token: x}}]
"""


def test_a_store_that_is_away_is_one_line(project: Site) -> None:
    project.add_example_run("made")
    with served(project, "--store", "s3://bucket/texts?endpoint=http://127.0.0.1:9", **KEYS):
        for path in ("/datasets", "/datasets/stories:latest", "/raw/stories:latest?path=a.png"):
            status, _, body = ask(project, path)
            assert status == 502
            assert body.count("can&#39;t be reached") + body.count("can't be reached") == 1
        assert ask(project, "/runs/made")[0] == 200


@pytest.mark.parametrize("words", [[], ["-n", "here"]], ids=["beside this machine", "alone"])
def test_a_cluster_that_is_away_is_one_line(project: Site, tmp_path: Path, words: list[str]) -> None:
    project.add_example_run("made")
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    with served(project, *words, KUBECONFIG=str(tmp_path / "kubeconfig")):
        status, _, body = ask(project)
        assert status == 200
        assert body.count('<p class="problem"') == 1
        assert ("/runs/made" in body) == (not words)
        status, _, body = ask(project, "/runs/theirs")
        assert status == 502
        assert body.count('role="alert"') == 1
