"""Whether the namespace's dataset store can be reached, and has what the workflow reads."""

import base64
import os
import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from argo.cluster.api import Api, ApiError
from argo.cluster.preflight import Problem
from argo.language.model import FromWorkflow, Workflow
from argo.object_names import STORE
from job.datasets import DatasetRef, Datasets
from job.errors import InputError, StoreError, UnknownReferenceError
from job.storage.s3.location import Location

_TIMEOUT = 3  # seconds
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def troubles(api: Api, workflow: Workflow, values: Mapping[str, str | DatasetRef]) -> Iterator[Problem]:
    """What is wrong with the store, or missing in it. A missing ConfigMap is another check's business."""
    url = ((api.find(api.core_path("configmaps", STORE)) or {}).get("data") or {}).get("url")
    if not url:
        return
    try:
        endpoint = Location.parse(url).endpoint
    except InputError as error:
        yield Problem(f"ConfigMap {STORE!r} in namespace {api.namespace}: {error}")
        return
    if endpoint and (service := _service(api, endpoint)):
        yield from _serves(api, *service, url)
        return  # only the cluster can ask it for more
    if endpoint and (reason := _unreachable(endpoint)):
        yield Problem(f"the dataset store {endpoint} can't be reached from here: {reason}", certain=False)
        return
    yield from _holds(api, url, workflow, values)


def _holds(
    api: Api, url: str, workflow: Workflow, values: Mapping[str, str | DatasetRef]
) -> Iterator[Problem]:
    """Whether the store does what commits rest on, and has every dataset that the run only reads."""
    ours = _use_credentials(api)
    datasets = Datasets.at(url)
    try:
        datasets.store.supports_conditional_writes()  # says so itself where the answer is no
        for name, ref in _read(workflow, values):
            try:
                datasets.resolve(ref)
            except UnknownReferenceError as error:
                job = workflow.jobs[name]
                yield Problem(f"{workflow.path}:{job.at.line}: job {name!r} reads {ref}: {error}")
    except StoreError as error:
        yield Problem(f"the dataset store refuses: {error}", certain=ours)


def _read(workflow: Workflow, values: Mapping[str, str | DatasetRef]) -> Iterator[tuple[str, DatasetRef]]:
    """The references to datasets, once each, with a job that reads it."""
    seen = set()
    for job in workflow.jobs.values():
        for given in job.inputs.values():
            source = values[given.source.input] if isinstance(given.source, FromWorkflow) else given.source
            if isinstance(source, DatasetRef) and source not in seen:
                seen.add(source)
                yield job.name, source


def _service(api: Api, endpoint: str) -> tuple[str, str] | None:
    """Name and namespace, where the endpoint is a Service of the cluster by its short or full name."""
    host = urlsplit(endpoint).hostname or ""
    parts = host.removesuffix(".cluster.local").removesuffix(".svc").split(".")
    if host == "localhost" or len(parts) > 2 or (len(parts) == 2 and not host.endswith((".svc", ".local"))):
        return None
    return parts[0], parts[1] if len(parts) == 2 else api.namespace


def _serves(api: Api, name: str, namespace: str, url: str) -> Iterator[Problem]:
    place = api.in_namespace(namespace)
    if place.find(place.core_path("services", name)) is None:
        yield Problem(f"the dataset store {url} is no service of the cluster: no {name!r} in {namespace}")
        return
    slices = api.list_items(
        f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
        labelSelector=f"kubernetes.io/service-name={name}",
    )
    ready = [
        each
        for part in slices
        for each in part.get("endpoints") or ()
        if (each.get("conditions") or {}).get("ready") is not False
    ]
    if not ready:
        yield Problem(
            f"nothing answers for the dataset store {url}: no pod behind the service {name!r} "
            f"in {namespace} is ready"
        )


def _unreachable(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), _TIMEOUT).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _use_credentials(api: Api) -> bool:
    """Whether this process now asks the store as the run's pods will."""
    try:
        found = (api.find(api.core_path("secrets", STORE)) or {}).get("data") or {}
    except ApiError as error:
        if error.status != 403:
            raise
        return False
    if not found.keys() >= set(_CREDENTIALS):
        return False
    for name in _CREDENTIALS:
        os.environ[name] = base64.b64decode(found[name]).decode()
    os.environ.pop("AWS_SESSION_TOKEN", None)  # belongs to this machine's own key
    return True
