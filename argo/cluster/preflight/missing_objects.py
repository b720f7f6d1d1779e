"""Whether what the Workflow refers to exists: service accounts, Secrets, ConfigMaps, volume claims."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from argo.cluster.api import Api, ApiError, Object
from argo.cluster.preflight import Problem
from argo.kubernetes_names import JOB, SECRETS
from argo.language.model import Workflow
from job.text import did_you_mean

_HINT = "apply an overlay of k8s/ (docs/kubernetes.md)"
_KINDS = {"secrets": "Secret", "configmaps": "ConfigMap", "persistentvolumeclaims": "PersistentVolumeClaim"}


class _Reference(NamedTuple):
    """An object that a pod can't start without, or one of its keys."""

    resource: str
    name: str
    key: str = ""


def check_references(api: Api, workflow: Workflow, manifest: Object) -> Iterator[Problem]:
    """Each reference to something that does not exist, once."""
    spec = manifest["spec"]
    accounts = (spec.get("serviceAccountName"), (spec.get("executor") or {}).get("serviceAccountName"))
    for account in filter(None, accounts):
        if api.find(api.core_path("serviceaccounts", account)) is None:
            yield Problem(f"no service account {account!r} in namespace {api.namespace}; {_HINT}")
    keys_of: dict[tuple[str, str], set[str] | None] = {}
    reported: set[_Reference] = set()
    for job, reference in _find_references(spec):
        object_id = (reference.resource, reference.name)
        if object_id not in keys_of:
            keys_of[object_id] = _read_keys(api, *object_id)
        keys = keys_of[object_id]
        if keys is not None and reference.key not in keys and reference not in reported:
            reported.add(reference)
            yield Problem(_describe(api, workflow, job, reference, keys))


def _describe(api: Api, workflow: Workflow, job: str, reference: _Reference, keys: set[str]) -> str:
    resource, name, key = reference
    if name == SECRETS and job in workflow.jobs:
        line = f"{workflow.path}:{workflow.jobs[job].at.line}"
        near = did_you_mean(key, keys - {""}, " ")
        hint = f" ({near.rstrip('?')})" if near.strip() else ""
        return (
            f"{line}: job {job!r} uses secret:{key}, which is not set{hint}: "
            f"textgen secret set {key} {api.options}"
        )
    missing = f"{_KINDS[resource]} {name!r}"
    if "" in keys:
        missing = f"key {key!r} in the {missing}"
    hint = "" if resource == "persistentvolumeclaims" else f"; {_HINT}"
    return f"no {missing} in namespace {api.namespace}{hint}"


def _find_references(spec: Mapping[str, Any]) -> Iterator[tuple[str, _Reference]]:
    """The references of the whole Workflow (job "") and of each job."""
    if artifacts := spec.get("artifactRepositoryRef"):
        yield "", _Reference("configmaps", artifacts["configMap"], artifacts.get("key", ""))
    for secret in spec.get("imagePullSecrets") or ():
        yield "", _Reference("secrets", secret["name"])
    for template in spec.get("templates") or ():
        job = ((template.get("metadata") or {}).get("annotations") or {}).get(JOB, template["name"])
        for reference in _find_references_below(template):
            yield job, reference


def _find_references_below(value: Any) -> Iterator[_Reference]:
    """The references anywhere in one template."""
    if isinstance(value, list):
        for each in value:
            yield from _find_references_below(each)
    elif isinstance(value, Mapping):
        for field, each in value.items():
            selects = isinstance(each, Mapping) and not each.get("optional")
            if field == "secretKeyRef" and selects:
                yield _Reference("secrets", each["name"], each["key"])
            elif field == "configMapKeyRef" and selects:
                yield _Reference("configmaps", each["name"], each["key"])
            elif field == "secret" and selects and "secretName" in each:
                yield _Reference("secrets", each["secretName"])
            elif field == "persistentVolumeClaim" and selects:
                yield _Reference("persistentvolumeclaims", each["claimName"])
            else:
                yield from _find_references_below(each)


def _read_keys(api: Api, resource: str, name: str) -> set[str] | None:
    """The keys of an object, and "" for the object itself; None if this user has no right to read it."""
    try:
        item = api.find(api.core_path(resource, name))
    except ApiError as error:
        if error.status == 403:
            return None
        raise
    return set() if item is None else {"", *(item.get("data") or {}), *(item.get("binaryData") or {})}
