"""A job's own container: its command and environment, and what of both can't stand in a template."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from argo.compile.cluster_config import ClusterConfig, Security
from argo.compile.environment import Environment, PodField, SecretKey
from argo.compile.escaping import escape_kubernetes_vars, is_plain
from argo.kubernetes_names import SECRETS
from argo.language.model import Container, Job, Script, Secret, Type
from job.pod.spec import GIT_TRUSTS_EVERY_OWNER, NOTES, SHARE_OUTPUTS, MainCommand
from job.pod.values import Value, Variable

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


def split_command(action: Container | Script, cluster: ClusterConfig) -> tuple[list[str], list[str]]:
    """The command and its arguments; no command if only the image's registry knows the entrypoint."""
    if isinstance(action, Script):
        return ["bash", _SCRIPT], []
    if action.command or not action.args:  # a command without arguments would leave out the image's own
        return list(action.command or ()), list(action.args)
    if action.image in cluster.entrypoints:
        return list(cluster.entrypoints[action.image]), list(action.args)
    if starts_with_shell(action):  # without a command, Argo asks the image's registry for the entrypoint
        return [action.args[0]], list(action.args[1:])
    return [], list(action.args)


def starts_with_shell(action: Container) -> bool:
    """Whether the arguments alone are a command that the image's shell runs."""
    return not action.command and bool(action.args) and action.args[0] in _SHELLS


def lacks_command(job: Job, action: Container | Script, cluster: ClusterConfig) -> bool:
    """Whether the job has a text that only a shell can bring to its container, and no known command."""
    argv, arguments = split_command(action, cluster)
    texts = (value for value in job.env.values() if isinstance(value, str))
    return not argv and not all(map(is_plain, (*arguments, *texts)))


def build_main_container(job: Job, action: Container | Script, cluster: ClusterConfig) -> MainContainer:
    """The container of the job's action, which does not lack a command."""
    files: dict[str, Value] = {}
    variables: dict[str, str] = {}
    argv, arguments = split_command(action, cluster)
    if isinstance(action, Script):
        files["script"] = action.script
        if is_plain(action.script):
            files["script"] = Variable("SCRIPT")
            variables["SCRIPT"] = escape_kubernetes_vars(action.script)
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
        stored = MainCommand(tuple(words), hidden, share)
        return MainContainer(image, ["sh", _COMMAND], None, environment, files, stored, variables)
    shell = _find_shell(action, argv)
    if share and argv and shell:
        argv, arguments = [shell], ["-c", _SHARE, "main", *argv, *arguments]
    args = [escape_kubernetes_vars(word) for word in arguments]
    return MainContainer(image, argv or None, args or None, environment, files, None, variables)


def _find_shell(action: Container | Script, argv: list[str]) -> str | None:
    """A shell that the image has: the command, or what the image's entrypoint is given to run."""
    if argv and argv[0] in _SHELLS:
        return argv[0]
    return action.args[0] if isinstance(action, Container) and starts_with_shell(action) else None


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
