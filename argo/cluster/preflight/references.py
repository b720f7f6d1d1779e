"""Whether what the Workflow refers to is in the namespace: accounts, secrets, configuration, claims."""

from collections.abc import Iterator, Mapping
from typing import Any

from argo.cluster.api import Api, ApiError, Object
from argo.cluster.preflight import Problem
from argo.language.model import Workflow
from argo.object_names import JOB, SECRETS
from job.text import did_you_mean

_BASE = "an overlay of k8s/ makes what a namespace needs: docs/kubernetes.md"
_KINDS = {"secrets": "Secret", "configmaps": "ConfigMap"}


def check_references(api: Api, workflow: Workflow, made: Object) -> Iterator[Problem]:
    """Each reference to something that is not there, once."""
    spec = made["spec"]
    accounts = (spec.get("serviceAccountName"), (spec.get("executor") or {}).get("serviceAccountName"))
    for account in filter(None, accounts):
        if api.find(api.core_path("serviceaccounts", account)) is None:
            yield Problem(f"no service account {account!r} in namespace {api.namespace}; {_BASE}")
    held: dict[tuple[str, str], set[str] | None] = {}
    told: set[tuple[str, str, str]] = set()
    for job, kind, name, key in _references(spec):
        if (kind, name) not in held:
            held[kind, name] = _keys(api, kind, name)
        keys = held[kind, name]
        if keys is None or (key in keys if key else "" in keys) or (kind, name, key) in told:
            continue
        told.add((kind, name, key))
        yield Problem(_missing(api, workflow, job, kind, name, key, keys))


def _missing(api: Api, workflow: Workflow, job: str, kind: str, name: str, key: str, keys: set[str]) -> str:
    if name == SECRETS and job in workflow.jobs:
        where = f"{workflow.path}:{workflow.jobs[job].at.line}: job {job!r}"
        near = did_you_mean(key, keys - {""}, " ")
        hint = f" ({near.rstrip('?')})" if near.strip() else ""
        return (
            f"{where} uses secret:{key}, which is not set{hint}: textgen secret set {key} -n {api.namespace}"
        )
    if kind == "persistentvolumeclaims":
        return f"no persistent volume claim {name!r} in namespace {api.namespace}"
    what = f"key {key!r} in the" if "" in keys else ""
    return " ".join(f"no {what} {_KINDS[kind]} {name!r} in namespace {api.namespace}; {_BASE}".split())


def _references(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Job, kind, name and key of everything that a pod can't start without."""
    if artifacts := spec.get("artifactRepositoryRef"):
        yield "", "configmaps", artifacts["configMap"], artifacts.get("key", "")
    for secret in spec.get("imagePullSecrets") or ():
        yield "", "secrets", secret["name"], ""
    for template in spec.get("templates") or ():
        job = ((template.get("metadata") or {}).get("annotations") or {}).get(JOB, template["name"])
        for kind, name, key in _within(template):
            yield job, kind, name, key


def _within(value: Any) -> Iterator[tuple[str, str, str]]:
    """The references below one template, wherever they stand."""
    if isinstance(value, list):
        for each in value:
            yield from _within(each)
    elif isinstance(value, Mapping):
        for field, each in value.items():
            selects = isinstance(each, Mapping) and not each.get("optional")
            if field == "secretKeyRef" and selects:
                yield "secrets", each["name"], each["key"]
            elif field == "configMapKeyRef" and selects:
                yield "configmaps", each["name"], each["key"]
            elif field == "secret" and selects and "secretName" in each:
                yield "secrets", each["secretName"], ""
            elif field == "persistentVolumeClaim" and selects:
                yield "persistentvolumeclaims", each["claimName"], ""
            else:
                yield from _within(each)


def _keys(api: Api, kind: str, name: str) -> set[str] | None:
    """The keys of an object, and "" for the object itself; None where this user may not look."""
    try:
        found = api.find(api.core_path(kind, name))
    except ApiError as error:
        if error.status == 403:
            return None
        raise
    return set() if found is None else {"", *(found.get("data") or {}), *(found.get("binaryData") or {})}
