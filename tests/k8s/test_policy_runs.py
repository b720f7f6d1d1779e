"""What runs under the policy as without it: honest workflows, a checkout over ssh, the trigger."""

import json
from pathlib import Path

import pytest

from tests.cluster.kubernetes import Namespace, kubectl
from tests.cluster.test_private_checkout import run_private_checkout
from tests.git import no_configuration
from tests.k8s.policy import POLL, ROOT, compile_workflow
from tests.trigger.conftest import Remote, remote
from tests.trigger.test_on_cluster import CLUSTER, Pushed

__all__ = ["no_configuration", "remote"]

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("name", ["script", "volumes"])
def test_an_honest_workflow_runs(name: str, protected: Namespace) -> None:
    run = protected.create(compile_workflow(ROOT / "tests/compile/conformance" / f"{name}.yaml"))
    assert protected.ended(run)["status"]["phase"] == "Succeeded"


def test_a_checkout_over_ssh_runs(protected: Namespace, tmp_path: Path) -> None:
    run_private_checkout(protected, tmp_path)


def test_the_trigger_polls_and_what_it_submits_runs(
    protected: Namespace, git_server: tuple[Path, str], remote: Remote
) -> None:
    pushed = Pushed(remote, git_server, "policy")
    commit = pushed.push("one")
    data = {"repositories": pushed.url, "cluster.yaml": CLUSTER}
    kubectl("-n", protected.name, "patch", "configmap", "textgen-trigger", "-p", json.dumps({"data": data}))
    poll = protected.create(POLL)
    assert protected.ended(poll)["status"]["phase"] == "Succeeded"
    (run,) = pushed.runs(protected)
    assert protected.ended(run)["status"]["phase"] == "Succeeded"
    assert pushed.versions(protected) == {commit: run}
