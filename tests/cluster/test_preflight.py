"""What can't work is found before it is tried, from what the cluster holds."""

import base64
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest

from argo.cluster.api import Api
from argo.cluster.preflight import nodes
from argo.cluster.preflight.store import _parse_service, check_store
from argo.language.model import Workflow
from job.datasets import Credentials, Datasets
from tests.cluster.fake_api import FakeApi

GPU = {"nvidia.com/gpu.present": "true"}
TAINT = {"key": "nvidia.com/gpu", "value": "yes", "effect": "NoSchedule"}


def node(cpu: str, memory: str, gpus: int = 0, **spec: Any) -> dict[str, Any]:
    allocatable = {"cpu": cpu, "memory": memory, "nvidia.com/gpu": str(gpus)}
    labels = GPU if gpus else {}
    return {"metadata": {"labels": labels}, "spec": spec, "status": {"allocatable": allocatable}}


def find_messages(template: dict[str, Any], *items: dict[str, Any]) -> list[str]:
    api = FakeApi(lambda *_: {"items": list(items)}, lambda *_: [])
    manifest = {"spec": {"templates": [{"name": "workflow", "dag": {}}, {"name": "job", **template}]}}
    return [problem.message for problem in nodes.check_nodes(cast(Api, api), manifest)]


def asks(cpu: str, memory: str, **limits: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": limits}}


def test_requests_of_containers_add_up_and_those_of_init_containers_do_not() -> None:
    two = {"containerSet": {"containers": [asks("1500m", "1Gi"), asks("600m", "1Gi")]}}
    assert not find_messages(two, node("2100m", "2Gi"))
    assert (
        "asks for 2.1 cpu, 2.0Gi memory, but no node has more than 2 cpu"
        in find_messages(two, node("2", "2Gi"))[0]
    )
    before = {"container": asks("1", "1Gi"), "initContainers": [asks("2", "1Gi")]}
    assert not find_messages(before, node("2", "1Gi"))


def test_cpu_and_memory_must_fit_on_the_same_node() -> None:
    one = {"container": asks("2", "4Gi")}
    assert find_messages(one, node("4", "2Gi"), node("1", "8Gi"))
    assert not find_messages(one, node("1", "2Gi"), node("2", "4096Mi"))


@pytest.mark.parametrize(
    ("tolerations", "fits"),
    [
        ([], False),
        ([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}], True),
        ([{"key": "nvidia.com/gpu", "value": "no"}], False),
        ([{"operator": "Exists"}], True),
    ],
)
def test_a_gpu_node_accepts_a_job_that_tolerates_its_taint(tolerations: list[Any], fits: bool) -> None:
    limits = {"nvidia.com/gpu": "1"}
    one = {"container": asks("1", "1Gi", **limits), "nodeSelector": GPU, "tolerations": tolerations}
    assert bool(find_messages(one, node("8", "8Gi"), node("8", "8Gi", 1, taints=[TAINT]))) is not fits


def test_a_cordoned_node_accepts_no_job() -> None:
    assert find_messages({"container": asks("1", "1Gi")}, node("8", "8Gi", unschedulable=True))


@pytest.mark.parametrize(
    ("endpoint", "service"),
    [
        ("http://minio:9000", ("minio", "base")),
        ("http://minio.store.svc:9000", ("minio", "store")),
        ("http://minio.store.svc.cluster.local", ("minio", "store")),
        ("https://s3.example", None),
        ("http://10.0.0.1:9000", None),
        ("http://localhost:9000", None),
    ],
)
def test_an_endpoint_is_a_service_of_the_cluster_or_not(
    endpoint: str, service: tuple[str, str] | None
) -> None:
    api = FakeApi(lambda *_: {}, lambda *_: [])
    assert _parse_service(cast(Api, api), endpoint) == service


def test_the_store_is_asked_with_the_runs_credentials_and_the_environment_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[tuple[str, Credentials | None]] = []

    def open_datasets(url: str, credentials: Credentials | None) -> Datasets:
        opened.append((url, credentials))
        return cast(Datasets, SimpleNamespace(supports_conditional_writes=lambda: True))

    monkeypatch.setattr(Datasets, "at", open_datasets)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of this machine's key")
    before = dict(os.environ)
    secret = {"AWS_ACCESS_KEY_ID": "a key", "AWS_SECRET_ACCESS_KEY": "its secret"}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in secret.items()}
    objects = {"configmaps": {"data": {"url": "s3://bucket"}}, "secrets": {"data": encoded}}
    api = SimpleNamespace(core_path=lambda kind, _: kind, find=objects.get, namespace="default")
    assert list(check_store(cast(Api, api), cast(Workflow, SimpleNamespace(jobs={})), {})) == []
    assert opened == [("s3://bucket", Credentials(*secret.values()))]
    assert os.environ == before
