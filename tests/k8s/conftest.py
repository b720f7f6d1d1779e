"""A namespace of the cluster for each test, and those of the policy's tests."""

import os
import secrets
from collections.abc import Iterator

import pytest

from tests.cluster.kubernetes import Namespace, kubectl
from tests.cluster.kubernetes import namespace as create_namespace
from tests.k8s import policy
from tests.k8s.policy import Object


@pytest.fixture
def namespace(cluster: None) -> Iterator[str]:
    """An empty namespace."""
    name = f"test-overlay-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def protected(controller: None) -> Iterator[Namespace]:
    """A namespace like `restricted`, in which the policy is in force."""
    with create_namespace("restricted", os.environ["S3_ENDPOINT"]) as created, policy.enforce_policy(created):
        trigger = policy.ROOT / "k8s/overlays/trigger"
        for file in ("rbac.yaml", "template.yaml"):
            kubectl("-n", created.name, "apply", "-f", str(trigger / file))
        literal = f"--from-file=cluster.yaml={trigger / 'cluster.yaml'}"
        words = ("create", "configmap", "textgen-trigger", "--from-literal=repositories=", literal)
        kubectl("-n", created.name, *words)
        yield created


@pytest.fixture(scope="session")
def job_pod(protected: Namespace) -> Object:
    """The pod of a job with `checkout`, `store`, `main` and `commit`, which Argo made under the policy."""
    text = policy.compile_workflow(policy.ROOT / ".gradient/workflows/nlp-text-generation.yaml")
    return policy.made_pod(protected, protected.create(text))


@pytest.fixture(scope="session")
def trigger_pod(protected: Namespace) -> Object:
    """The trigger's own pod, which Argo made under the policy."""
    return policy.made_pod(protected, protected.create(policy.POLL))
