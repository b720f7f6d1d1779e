"""The values of `secret:NAME`: of a project over those of its cluster over those of its team.

A project is a namespace, and keeps its own in the Secret `textgen-secrets-project`. What all projects
of the cluster share lies in the namespace `textgen`, in `textgen-secrets-cluster` and
`textgen-secrets-team`. Jobs refer to one Secret, `textgen-secrets`: the three merged.
"""

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from argo.cluster.api import Api, ApiError, Object
from argo.cluster.backoff import retry_on_conflict
from argo.object_names import MANAGED_BY, MANAGER, SECRETS, SHARED_NAMESPACE
from job.errors import InputError

_NAME = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_LABELS = {MANAGED_BY: MANAGER}
_LIMIT = 1 << 20  # bytes, of all values of a Secret


class Scope(StrEnum):
    """Whose secret it is; a later one wins."""

    TEAM = "team"
    CLUSTER = "cluster"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """A secret's name, whose it is, and whether a nearer scope has one of that name."""

    name: str
    scope: Scope
    hidden: bool


def list_secrets(api: Api) -> list[SecretEntry]:
    """All secrets that the project sees, by name. Raises ClusterError."""
    found = {scope: _values(_place(api, scope), _name(scope)) for scope in Scope}
    unmanaged = _values(api, SECRETS) if not _is_ours(api) else {}
    found[Scope.PROJECT] = {**unmanaged, **found[Scope.PROJECT]}
    winner = {name: scope for scope in Scope for name in found[scope]}
    entries = [
        SecretEntry(name, scope, winner[name] is not scope) for scope in Scope for name in found[scope]
    ]
    return sorted(entries, key=lambda entry: (entry.name, entry.hidden))


def change_secret(api: Api, scope: Scope, name: str, value: bytes | None) -> list[str]:
    """Set the secret, or delete it where `value` is None; the namespaces that see the change.

    Raises InputError for a name or a value that can't be one, and ClusterError.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r}: a secret's name has letters, digits, '-', '_' and '.' only")
    _adopt(api)
    _set(_place(api, scope), scope, name, value)
    projects = _projects(api, scope)
    for each in projects:
        _merge(each)
    return [each.namespace for each in projects]


@retry_on_conflict
def _set(place: Api, scope: Scope, name: str, value: bytes | None) -> None:
    before = place.find(place.core_path("secrets", _name(scope)))
    values = dict((before or {}).get("data") or {})
    if value is None and name not in values:
        raise InputError(f"{place}: no {scope} secret {name!r}; textgen secret list shows what there is")
    if value is None:
        del values[name]
    else:
        values[name] = base64.b64encode(value).decode()
    if sum(map(len, values.values())) * 3 // 4 > _LIMIT:
        raise InputError(f"{name}: the {scope} secrets are over 1 MB together, more than Kubernetes keeps")
    _write(place, _name(scope), before, values)


def _projects(api: Api, scope: Scope) -> list[Api]:
    """The namespaces that a change is for: this one, and for a shared scope all that have secrets."""
    found = {api.namespace: api}
    if scope is not Scope.PROJECT:
        with suppress(ApiError):  # who may not look there leaves them as they are
            selector = ",".join(f"{key}={value}" for key, value in _LABELS.items())
            for each in api.list_items("/api/v1/secrets", labelSelector=selector):
                if each["metadata"]["name"] == SECRETS:
                    namespace = each["metadata"]["namespace"]
                    found[namespace] = api.in_namespace(namespace)
    return list(found.values())


@retry_on_conflict
def _merge(api: Api) -> None:
    before = api.find(api.core_path("secrets", SECRETS))  # first: a merge of later values makes this one fail
    values: dict[str, str] = {}
    for scope in Scope:
        values |= _values(_place(api, scope), _name(scope))
    _write(api, SECRETS, before, values)


def _adopt(api: Api) -> None:
    """Keep what somebody has put into the jobs' Secret without this command, as the project's."""
    if not _is_ours(api) and (values := _values(api, SECRETS)):
        own = api.find(api.core_path("secrets", _name(Scope.PROJECT)))
        _write(api, _name(Scope.PROJECT), own, {**values, **((own or {}).get("data") or {})})


def _is_ours(api: Api) -> bool:
    found = api.find(api.core_path("secrets", SECRETS))
    return found is None or _LABELS.items() <= (found["metadata"].get("labels") or {}).items()


def _values(api: Api, name: str) -> Mapping[str, str]:
    """Each value in base64. A shared scope that may not be read has none for this project."""
    try:
        found = api.find(api.core_path("secrets", name))
    except ApiError as error:
        if error.status == 403 and name != _name(Scope.PROJECT):
            return {}
        raise
    return (found or {}).get("data") or {}


def _write(api: Api, name: str, before: Object | None, values: Mapping[str, str]) -> None:
    """Put the values in the place of what was read; with that one's version, so that nobody's are lost."""
    body: Object = {"apiVersion": "v1", "kind": "Secret", "data": dict(values)}
    if before is None:
        api.create(api.core_path("secrets"), {**body, "metadata": {"name": name, "labels": _LABELS}})
        return
    labels = {**(before["metadata"].get("labels") or {}), **_LABELS}
    metadata = {**before["metadata"], "labels": labels}
    api.replace(api.core_path("secrets", name), {**before, **body, "metadata": metadata})


def _place(api: Api, scope: Scope) -> Api:
    return api if scope is Scope.PROJECT else api.in_namespace(SHARED_NAMESPACE)


def _name(scope: Scope) -> str:
    return f"{SECRETS}-{scope}"
