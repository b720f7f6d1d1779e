"""The values of `secret:NAME`: a project's win over its cluster's, and those over its team's.

A project is a namespace; its own values are in the Secret `textgen-secrets-project` there. The values that
all projects share are in the namespace `textgen`, in the Secrets `textgen-secrets-cluster` and
`textgen-secrets-team`. Jobs refer to one Secret of their namespace, `textgen-secrets`: the three merged.
"""

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from argo.cluster.api import Api, ApiError
from argo.cluster.backoff import retry_on_conflict
from argo.kubernetes_names import MANAGED_BY, MANAGER, SECRETS, SHARED_NAMESPACE
from job.errors import InputError

_NAME = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_LABELS = {MANAGED_BY: MANAGER}
_LIMIT = 1 << 20  # bytes of all values of a Secret: Kubernetes' own limit


class Scope(StrEnum):
    """Whose secret it is; a later scope wins."""

    TEAM = "team"
    CLUSTER = "cluster"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """A secret's name and scope; `hidden` if a later scope has a secret of that name."""

    name: str
    scope: Scope
    hidden: bool


def list_secrets(api: Api) -> list[SecretEntry]:
    """All secrets that the project sees, by name. Raises ClusterError."""
    values = {scope: _read_values(_scope_api(api, scope), _secret_name(scope)) for scope in Scope}
    if not _is_managed(api):
        values[Scope.PROJECT] = {**_read_values(api, SECRETS), **values[Scope.PROJECT]}
    winners = {name: scope for scope in Scope for name in values[scope]}
    entries = [
        SecretEntry(name, scope, winners[name] is not scope) for scope in Scope for name in values[scope]
    ]
    return sorted(entries, key=lambda entry: (entry.name, entry.hidden))


def change_secret(api: Api, scope: Scope, name: str, value: bytes | None) -> list[str]:
    """Set the secret, or delete it if `value` is None. Returns the namespaces that see the change.

    Raises InputError for an invalid name or value, and ClusterError.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r}: a secret's name may have only letters, digits, '-', '_' and '.'")
    _adopt_values(api)
    _set_value(_scope_api(api, scope), scope, name, value)
    projects = _affected_projects(api, scope)
    for project in projects:
        _merge_scopes(project)
    return [project.namespace for project in projects]


@retry_on_conflict
def _set_value(api: Api, scope: Scope, name: str, value: bytes | None) -> None:
    secret = api.find(api.core_path("secrets", _secret_name(scope)))
    values = dict((secret or {}).get("data") or {})
    if value is None and name not in values:
        raise InputError(
            f"{api}: no {scope} secret {name!r}; textgen secret list {api.options} shows all secrets"
        )
    if value is None:
        del values[name]
    else:
        values[name] = base64.b64encode(value).decode()
    if sum(map(len, values.values())) * 3 // 4 > _LIMIT:
        raise InputError(f"{name}: the {scope} secrets would exceed 1 MiB together, which Kubernetes forbids")
    _write_values(api, _secret_name(scope), secret, values)


def _affected_projects(api: Api, scope: Scope) -> list[Api]:
    """This namespace; for a shared scope, also all namespaces that have secrets."""
    projects = {api.namespace: api}
    if scope is not Scope.PROJECT:
        with suppress(ApiError):  # without the right to list Secrets, the others stay unchanged
            selector = ",".join(f"{key}={value}" for key, value in _LABELS.items())
            for secret in api.list_items("/api/v1/secrets", labelSelector=selector):
                if secret["metadata"]["name"] == SECRETS:
                    namespace = secret["metadata"]["namespace"]
                    projects[namespace] = api.in_namespace(namespace)
    return list(projects.values())


@retry_on_conflict
def _merge_scopes(api: Api) -> None:
    # Read before the values: if somebody merges later values meanwhile, this merge fails and is repeated.
    secret = api.find(api.core_path("secrets", SECRETS))
    values: dict[str, str] = {}
    for scope in Scope:
        values |= _read_values(_scope_api(api, scope), _secret_name(scope))
    _write_values(api, SECRETS, secret, values)


def _adopt_values(api: Api) -> None:
    """Make what somebody has put into the jobs' Secret without textgen the project's own."""
    if not _is_managed(api) and (values := _read_values(api, SECRETS)):
        name = _secret_name(Scope.PROJECT)
        secret = api.find(api.core_path("secrets", name))
        _write_values(api, name, secret, {**values, **((secret or {}).get("data") or {})})


def _is_managed(api: Api) -> bool:
    """Whether textgen made the jobs' Secret, or there is none yet."""
    secret = api.find(api.core_path("secrets", SECRETS))
    return secret is None or _LABELS.items() <= (secret["metadata"].get("labels") or {}).items()


def _read_values(api: Api, secret_name: str) -> Mapping[str, str]:
    """Each value in base64. A shared Secret that this user has no right to read counts as empty."""
    try:
        secret = api.find(api.core_path("secrets", secret_name))
    except ApiError as error:
        if error.status == 403 and secret_name != _secret_name(Scope.PROJECT):
            return {}
        raise
    return (secret or {}).get("data") or {}


def _write_values(api: Api, name: str, secret: Any, values: Mapping[str, str]) -> None:
    """Replace the Secret that was read, or create it. Its resourceVersion makes a lost update a conflict."""
    body = {"apiVersion": "v1", "kind": "Secret", "data": dict(values)}
    if secret is None:
        api.create(api.core_path("secrets"), {**body, "metadata": {"name": name, "labels": _LABELS}})
        return
    labels = {**(secret["metadata"].get("labels") or {}), **_LABELS}
    metadata = {**secret["metadata"], "labels": labels}
    api.replace(api.core_path("secrets", name), {**secret, **body, "metadata": metadata})


def _scope_api(api: Api, scope: Scope) -> Api:
    return api if scope is Scope.PROJECT else api.in_namespace(SHARED_NAMESPACE)


def _secret_name(scope: Scope) -> str:
    return f"{SECRETS}-{scope}"
