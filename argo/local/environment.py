"""The variables of this machine that every job of a run gets: a list, and nothing that holds a password."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from argo.local.secrets import TOKEN, Secrets
from job.errors import InputError

# None holds a path of this machine, so an image can have them, too. PROJECT_ID is Gradient's.
IN_IMAGES = (
    "(?i:https?|ftp|all|no)_(?i:proxy)|HF_ENDPOINT|HF_HUB_OFFLINE|PROJECT_ID"
    "|CUDA_VISIBLE_DEVICES|OMP_NUM_THREADS"
)
ON_THIS_MACHINE = (
    rf"{IN_IMAGES}|LANG|LC_\w+|TZ|TERM|PIP_\w+|UV_\w+"
    "|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|GIT_SSL_CAINFO"
)
_PASSWORD_NAME = re.compile(r"(PIP|UV)_\w*(PASSWORD|USERNAME|TOKEN|SECRET|CREDENTIAL)\w*")
_PROXY_NAME = re.compile(r"\w*_proxy", re.I)


@dataclass(frozen=True, slots=True)
class Environment:
    """`variables` have a value each; those in `secret` are shown in no argument list. `withheld` are the
    names of those that jobs do not get because they hold a password."""

    variables: Mapping[str, str]
    secret: frozenset[str]
    withheld: tuple[str, ...]


def choose_environment(
    environ: Mapping[str, str], inherited: str, names: Collection[str], secrets: Secrets
) -> Environment:
    """The variables of `environ` whose names match `inherited`, unless they hold a password, and all `names`.

    Raises InputError for one of `names` that is not set.
    """
    token = {} if secrets.token is None else {TOKEN: secrets.token}
    for name in names:
        name_only, equals, _ = name.partition("=")  # a message does not show the value
        if equals:
            raise InputError(
                f"--env {name_only}=...: write --env {name_only}, with the value in the environment"
            )
        if name not in environ and name not in token:
            raise InputError(f"--env {name}: not set in the environment")
    listed = {name: value for name, value in environ.items() if re.fullmatch(inherited, name)}
    chosen = {name: environ[name] for name in names if name in environ}
    without_passwords = {name: value for name, value in listed.items() if not _holds_password(name, value)}
    variables = {**without_passwords, **chosen, **token}
    withheld = {*listed, *({TOKEN} & environ.keys())} - variables.keys()
    return Environment(variables, frozenset({*chosen, *token}), tuple(sorted(withheld)))


def _holds_password(name: str, value: str) -> bool:
    """Whether a URL has a user (often a token) or a password, or the name says that it is one."""
    in_url = re.search(r"://\S*@", value)
    # a proxy needs no scheme
    return bool(in_url or ("@" in value and _PROXY_NAME.fullmatch(name)) or _PASSWORD_NAME.fullmatch(name))
