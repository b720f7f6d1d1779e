"""A job's own container: its command and environment, and what of both can't stand in a template."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from argo.compile.cluster_config import ClusterConfig, Security
from argo.compile.environment import Environment, PodField, SecretKey
from argo.compile.escaping import escape_kubernetes_vars, is_plain
from argo.kubernetes_names import SECRETS
from argo.language.model import Container, Job, Script, Secret, Type
from job.errors import InputError
from job.pod.spec import GIT_TRUSTS_EVERY_OWNER, NOTES, SHARE_OUTPUTS, MainCommand, Value, Variable

_SCRIPT = f"{NOTES}/script"
_COMMAND = f"{NOTES}/main"
_SHELLS = ("bash", "sh", "/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/sh")
# Under "baseline" the job may be root, and files that only root can read would be out of reach for `commit`.
_SHARE = f'"$@"; code=$?; {SHARE_OUTPUTS}; exit $code'


@dataclass(frozen=True, slots=True)
class MainContainer:
    """`files`, `stored_command` and `variables` are for the container before it, which writes the files."""

    image: str
    command: list[str] | None
    args: list[str] | None
    env: Environment
    files: Mapping[str, Value] = field(default_factory=dict)
    stored_command: MainCommand | None = None
    variables: Environment = field(default_factory=dict)


def build_main_container(
    job: Job, action: Container | Script, cluster: ClusterConfig, position: str
) -> MainContainer:
    """The container of the job's action. Raises InputError, at `position`, for what can't be passed on."""
    files: dict[str, Value] = {}
    variables: dict[str, str] = {}
    if isinstance(action, Script):
        argv, arguments = ["bash", _SCRIPT], []
        files["script"] = action.script
        if is_plain(action.script):
            files["script"] = Variable("SCRIPT")
            variables["SCRIPT"] = escape_kubernetes_vars(action.script)
    else:
        argv, arguments = list(action.command or ()), list(action.args)
        if not argv and arguments and arguments[0] in _SHELLS:
            # Argo would have to ask the image's registry for an entrypoint that only runs these anyway
            argv, arguments = arguments[:1], arguments[1:]
    texts = {name: value for name, value in job.env.items() if not isinstance(value, Secret)}
    hidden = {name: value for name, value in texts.items() if not is_plain(value)}
    words = [*argv, *arguments]
    through_sh = bool(hidden) or not all(is_plain(word) for word in words)
    if through_sh:  # which forgets variables that it could not name
        hidden = {name: value for name, value in texts.items() if name in hidden or not name.isidentifier()}
    share = bool(job.outputs) and cluster.security is Security.BASELINE
    environment = {
        **_default_environment(job, cluster),
        **{name: _variable(value) for name, value in job.env.items() if name not in hidden},
    }
    image = cluster.image(action.image)
    if through_sh:
        if not argv:
            raise InputError(
                f"{position}: job {job.name!r}: a text with '{{{{' or a control character needs `command` "
                "beside it: the image's own entrypoint is not known here"
            )
        stored = MainCommand(tuple(words), hidden, share)
        return MainContainer(image, ["sh", _COMMAND], None, environment, files, stored, variables)
    if share and argv and argv[0] in _SHELLS:
        argv, arguments = argv[:1], ["-c", _SHARE, "main", *argv, *arguments]
    args = [escape_kubernetes_vars(word) for word in arguments]
    return MainContainer(image, argv or None, args or None, environment, files, None, variables)


def _default_environment(job: Job, cluster: ClusterConfig) -> Environment:
    """What Gradient's jobs found in their environment, unless the file sets it."""
    environment: dict[str, str | SecretKey | PodField] = {
        "PROJECT_ID": PodField("metadata.namespace"),
        "HF_TOKEN": SecretKey(SECRETS, "HF_TOKEN", optional=True),
    }
    if "cache" in cluster.claims:
        environment["HF_HOME"] = "/cache/huggingface"
    volumes = any(each.type is Type.VOLUME for each in job.inputs.values())
    git_configured = any(name.startswith("GIT_CONFIG") for name in job.env)
    if volumes and cluster.security is Security.BASELINE and not git_configured:
        environment |= GIT_TRUSTS_EVERY_OWNER
    return {name: value for name, value in environment.items() if name not in job.env}


def _variable(value: str | Secret) -> str | SecretKey:
    return SecretKey(SECRETS, value.name) if isinstance(value, Secret) else escape_kubernetes_vars(value)
