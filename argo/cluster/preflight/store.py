"""Whether the namespace's store can be reached, and has the datasets that the workflow reads."""

import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from argo.cluster.api import Api
from argo.cluster.namespace_store import read_credentials, read_url
from argo.cluster.preflight import Problem
from argo.kubernetes_names import STORE
from argo.language.model import FromWorkflow, Workflow
from job.datasets import DatasetRef, Datasets
from job.errors import InputError, StoreError, UnknownReferenceError
from job.storage.s3.location import Location

_TIMEOUT = 3  # seconds


def check_store(api: Api, workflow: Workflow, values: Mapping[str, str | DatasetRef]) -> Iterator[Problem]:
    """What is wrong with the store, or missing in it. Another check reports a missing ConfigMap."""
    url = read_url(api)
    if not url:
        return
    try:
        endpoint = Location.parse(url).endpoint
    except InputError as error:
        yield Problem(f"ConfigMap {STORE!r} in namespace {api.namespace}: {error}")
        return
    if endpoint and (service := _parse_service(api, endpoint)):
        yield from _check_service(api, *service, url)
        return  # only pods of the cluster can ask it for more
    if endpoint and (reason := _try_to_connect(endpoint)):
        yield Problem(
            f"the dataset store {endpoint} can't be reached from this machine: {reason}", certain=False
        )
        return
    yield from _check_datasets(api, url, workflow, values)


def _check_datasets(
    api: Api, url: str, workflow: Workflow, values: Mapping[str, str | DatasetRef]
) -> Iterator[Problem]:
    """Whether the store has every dataset that the run only reads; asked with the run's own credentials."""
    credentials = read_credentials(api)
    datasets = Datasets.at(url, credentials)
    try:
        datasets.supports_conditional_writes()  # logs a warning if not
        for name, ref in _read_refs(workflow, values):
            try:
                datasets.resolve(ref)
            except UnknownReferenceError as error:
                job = workflow.jobs[name]
                yield Problem(f"{workflow.path}:{job.at.line}: job {name!r} reads {ref}: {error}")
    except StoreError as error:
        yield Problem(f"the dataset store refuses: {error}", certain=credentials is not None)


def _read_refs(
    workflow: Workflow, values: Mapping[str, str | DatasetRef]
) -> Iterator[tuple[str, DatasetRef]]:
    """Each dataset reference once, with the name of a job that reads it."""
    seen = set()
    for job in workflow.jobs.values():
        for source in (job_input.source for job_input in job.inputs.values()):
            ref = values[source.input] if isinstance(source, FromWorkflow) else source
            if isinstance(ref, DatasetRef) and ref not in seen:
                seen.add(ref)
                yield job.name, ref


def _parse_service(api: Api, endpoint: str) -> tuple[str, str] | None:
    """Name and namespace, if the endpoint is a Service of the cluster by its short or full name."""
    host = urlsplit(endpoint).hostname or ""
    parts = host.removesuffix(".cluster.local").removesuffix(".svc").split(".")
    if host == "localhost" or len(parts) > 2 or (len(parts) == 2 and not host.endswith((".svc", ".local"))):
        return None
    return parts[0], parts[1] if len(parts) == 2 else api.namespace


def _check_service(api: Api, name: str, namespace: str, url: str) -> Iterator[Problem]:
    service_api = api.in_namespace(namespace)
    if service_api.find(service_api.core_path("services", name)) is None:
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


def _try_to_connect(endpoint: str) -> str:
    """Why a connection to the endpoint fails; empty if it does not."""
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), _TIMEOUT).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
