"""A job's own container: its command, its environment, and what of both can't stand in a template."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hera.workflows import models as m

from argo.compile import text
from argo.compile.cluster_config import ClusterConfig, Security
from argo.compile.environment import secret
from argo.language.model import Container, Job, Script, Secret, Type
from argo.object_names import SECRETS
from job.errors import InputError

# Where the first container leaves what the others read, as in job.pod.spec.
NOTES = "/var/run/textgen"

_SCRIPT = f"{NOTES}/script"
_MAIN = f"{NOTES}/main"
_SHELLS = ("bash", "sh", "/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/sh")
# Under "baseline" the job may be root, and what it made for itself alone (a temporary file, renamed)
# would be out of reach for the container that stores it.
_SHARE = '"$@"; code=$?; chmod -R a+rX /outputs; exit $code'


# A volume's files belong to the user that fetched them, in whose repository git runs nothing by default.
_OWNED = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


@dataclass(frozen=True, slots=True)
class Own:
    """`files` and `main` are for the steps of the container before it; `variables` for its environment."""

    image: str
    command: list[str] | None
    args: list[str] | None
    env: list[m.EnvVar]
    files: dict[str, Any] = field(default_factory=dict)
    main: dict[str, Any] | None = None
    variables: list[m.EnvVar] = field(default_factory=list)


def of(where: str, job: Job, action: Container | Script, cluster: ClusterConfig) -> Own:
    """The container of the job's action. Raises InputError, at `where`, for what can't be carried."""
    files: dict[str, Any] = {}
    variables: list[m.EnvVar] = []
    if isinstance(action, Script):
        argv, arguments = ["bash", _SCRIPT], []
        files["script"] = action.script
        if text.is_plain(action.script):
            files["script"] = {"variable": "SCRIPT"}
            variables.append(m.EnvVar(name="SCRIPT", value=text.kept(action.script)))
    else:
        argv, arguments = list(action.command or ()), list(action.args)
        if not argv and arguments and arguments[0] in _SHELLS:
            # Argo would have to ask the image's registry for an entrypoint that only runs these anyway
            argv, arguments = arguments[:1], arguments[1:]
    texts = {name: value for name, value in job.env.items() if not isinstance(value, Secret)}
    hidden = {name: value for name, value in texts.items() if not text.is_plain(value)}
    words = [*argv, *arguments]
    through_sh = bool(hidden) or not all(text.is_plain(word) for word in words)
    if through_sh:  # which forgets variables that it could not name
        hidden = {name: value for name, value in texts.items() if name in hidden or not name.isidentifier()}
    share = bool(job.outputs) and cluster.security is Security.BASELINE
    env = [*_given(job, cluster), *(_variable(n, v) for n, v in job.env.items() if n not in hidden)]
    image = cluster.image(action.image)
    if through_sh:
        if not argv:
            raise InputError(
                f"{where}: job {job.name!r}: a text with '{{{{' or a control character needs `command` "
                "beside it: the image's own entrypoint is not known here"
            )
        main = {"env": hidden, "argv": words, "share": share}
        return Own(image, ["sh", _MAIN], None, env, files, main, variables)
    if share and argv and argv[0] in _SHELLS:
        argv, arguments = argv[:1], ["-c", _SHARE, "main", *argv, *arguments]
    return Own(image, argv or None, _kept(arguments), env, files, None, variables)


def _given(job: Job, cluster: ClusterConfig) -> list[m.EnvVar]:
    """What Gradient's jobs found in their environment, unless the file sets it."""
    project = m.EnvVarSource(field_ref=m.ObjectFieldSelector(field_path="metadata.namespace"))
    found = [
        m.EnvVar(name="PROJECT_ID", value_from=project),
        secret("HF_TOKEN", SECRETS, "HF_TOKEN", optional=True),
    ]
    if "cache" in cluster.claims:
        found.append(m.EnvVar(name="HF_HOME", value="/cache/huggingface"))
    volumes = any(each.type is Type.VOLUME for each in job.inputs.values())
    if (
        volumes
        and cluster.security is Security.BASELINE
        and not any(n.startswith("GIT_CONFIG") for n in job.env)
    ):
        found += [m.EnvVar(name=name, value=value) for name, value in _OWNED.items()]
    return [each for each in found if each.name not in job.env]


def _variable(name: str, value: str | Secret) -> m.EnvVar:
    if isinstance(value, Secret):
        return secret(name, SECRETS, value.name)
    return m.EnvVar(name=name, value=text.kept(value))


def _kept(words: Sequence[str]) -> list[str] | None:
    return [text.kept(word) for word in words] or None
