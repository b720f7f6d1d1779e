"""Variables of textgen's containers: keys of Secrets, the workflow's parameters, the store and the run."""

from collections.abc import Iterator, Mapping
from typing import Any

from hera.workflows import models as m

from argo.object_names import STORE


def secret(variable: str, name: str, key: str, *, optional: bool = False) -> m.EnvVar:
    """A variable with a key of a Secret."""
    selector = m.SecretKeySelector(name=name, key=key, optional=optional or None)
    return m.EnvVar(name=variable, value_from=m.EnvVarSource(secret_key_ref=selector))


def store() -> list[m.EnvVar]:
    """Where the store is, and which run this is. Without credentials, the pod's own identity counts."""
    url = m.ConfigMapKeySelector(name=STORE, key="url")
    return [
        m.EnvVar(name="TEXTGEN_STORE", value_from=m.EnvVarSource(config_map_key_ref=url)),
        m.EnvVar(name="TEXTGEN_RUN", value="{{workflow.uid}}"),  # the same for a run that is retried
        m.EnvVar(name="TEXTGEN_RUN_NAME", value="{{workflow.name}}"),
        *(secret(key, STORE, key, optional=True) for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
    ]


def parameters(value: Any) -> dict[str, m.EnvVar]:
    """The variables with the parameters that a value refers to, which Argo fills in as base64."""
    return {
        name: m.EnvVar(name=f"PARAMETER_{name}", value="{{=toBase64(workflow.parameters['" + name + "'])}}")
        for name in _parameter_names(value)
    }


def _parameter_names(value: Any) -> Iterator[str]:
    """The names in every {"parameter": NAME} of a value."""
    if isinstance(value, Mapping):
        if "parameter" in value:
            yield value["parameter"]
        for each in value.values():
            yield from _parameter_names(each)
    elif isinstance(value, list):
        for each in value:
            yield from _parameter_names(each)
