"""A context of KUBECONFIG's files: checked here, and loaded by the Kubernetes client.

The client logs what is wrong with credentials, and goes on as system:anonymous.
"""

import logging
import os
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from argo.cluster.api import UnreachableError
from argo.cluster.kubeconfig_paths import DEFAULT_PATH, list_paths
from job.errors import InputError
from job.text import did_you_mean, one_line, quoted

_TOKEN = "BearerToken"  # noqa: S105 - the client's name for it
_NOISE = re.compile(r"\[Errno -?\d+\] |^exec: |^Invalid kube-config( file)?\. |\{.*\}|[ .]*\(_ssl\.c:\d+\)")


def load_kubeconfig(configuration: Any, context: str | None) -> tuple[str, str | None]:
    """Set the client's configuration to a context, by default the current one.

    Returns the context's name and its namespace. Raises InputError.
    """
    files = _read_files()
    # kubectl takes the first file that names one; the Python client would take the last
    current = next(filter(None, (file.get("current-context") for file in files.values())), None)
    selected = _Context.find(files, context or current, "--context" if context else "current-context")
    selected.load(os.pathsep.join(files), configuration)
    return selected.name, selected.namespace


def _read_files() -> dict[str, dict[str, Any]]:
    """The kubeconfigs that hold something, by their paths. As for kubectl, some may be missing or empty."""
    import yaml

    files = {}
    for path in list_paths():
        try:
            content = yaml.safe_load(path.read_text("utf-8"))
        except FileNotFoundError:
            continue
        except yaml.MarkedYAMLError as error:  # its text shows the file's
            mark = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
            raise InputError(f"kubeconfig {path}{mark}: not YAML: {error.problem}") from None
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise InputError(f"kubeconfig {path}: {_one_line(error)}") from error
        if content is not None:
            files[str(path)] = content
        if content is not None and not isinstance(content, dict):
            raise InputError(f"kubeconfig {path}: not a mapping, so no kubeconfig")
    if not files:
        paths = os.pathsep.join(map(str, list_paths()))
        raise InputError(
            f"no cluster to connect to: nothing in {paths}; set KUBECONFIG, or create {DEFAULT_PATH}"
        )
    return files


def _merge(files: Mapping[str, Mapping[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The `contexts`, `clusters` or `users` of all files by name; of two, the first."""
    entries: dict[str, dict[str, Any]] = {}
    for path, file in files.items():
        try:
            found = {str(each["name"]): each[kind[:-1]] or {} for each in file.get(kind) or ()}
        except (KeyError, TypeError):
            raise InputError(f"kubeconfig {path}: `{kind}` is not a list of {kind} with names") from None
        if not all(isinstance(entry, dict) for entry in found.values()):
            raise InputError(f"kubeconfig {path}: one of its {kind} is not a mapping")
        entries = found | entries
    return entries


@dataclass(frozen=True, slots=True)
class _Context:
    """A context, with its cluster and user as the files have them."""

    name: str
    namespace: str | None
    cluster_name: str
    cluster: Mapping[str, Any]
    user_name: str
    user: Mapping[str, Any]

    @classmethod
    def find(cls, files: Mapping[str, Mapping[str, Any]], name: str | None, option: str) -> "_Context":
        contexts, clusters, users = (_merge(files, kind) for kind in ("contexts", "clusters", "users"))
        if name is None:
            hint = did_you_mean("", contexts) or "the kubeconfig has no contexts"
            raise InputError(f"no current context: give --context; {hint}")
        if name not in contexts:
            hint = did_you_mean(str(name), contexts) or "the kubeconfig has no contexts"
            raise InputError(f"{option} {name}: no such context; {hint}")
        context = contexts[name]
        cluster_name, user_name = str(context.get("cluster") or ""), str(context.get("user") or "")
        if cluster_name not in clusters:
            raise InputError(
                f"kubeconfig: context {name} is of a cluster {quoted(cluster_name)} that is not there"
            )
        if user_name and user_name not in users:
            raise InputError(f"kubeconfig: context {name} is of a user {quoted(user_name)} that is not there")
        cluster, user = clusters[cluster_name], users.get(user_name, {})
        return cls(name, context.get("namespace"), cluster_name, cluster, user_name, user)

    def load(self, paths: str, configuration: Any) -> None:
        """Have the client load the context. Raises InputError if it can't, or would drop the credentials."""
        from kubernetes.config import ConfigException, load_kube_config

        self._check_server()
        try:
            with _logged_errors_raised(lambda reason: InputError(self._describe_credentials(reason))):
                load_kube_config(
                    paths, context=self.name, client_configuration=configuration, persist_config=False
                )
        except (ConfigException, OSError, ValueError) as error:
            raise InputError(f"kubeconfig: context {self.name}: {_one_line(error)}") from error
        except (KeyError, TypeError, AttributeError) as error:
            reason = "the Kubernetes client can't read its cluster or its user"
            raise InputError(f"kubeconfig: context {self.name}: {reason}") from error
        if refresh := configuration.refresh_api_key_hook:
            configuration.refresh_api_key_hook = self._refresh_or_raise(refresh)
            self._check_token(configuration)
        if configuration.host.startswith("https:"):
            self._check_certificates(configuration)
            if self.user and not (configuration.api_key or configuration.cert_file):
                reason = f"nothing that can be used in {', '.join(sorted(self.user))}"
                raise InputError(self._describe_credentials(reason))

    def _check_server(self) -> None:
        server = self.cluster.get("server")
        try:
            parts = urlsplit(server if isinstance(server, str) else "")
            is_server = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
        except ValueError:
            is_server = False
        if not is_server:
            name = self.cluster_name
            raise InputError(
                f"kubeconfig: the `server` of cluster {name} is no http or https URL: {server!r}"
            )

    def _check_certificates(self, configuration: Any) -> None:
        try:
            ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        except OSError as error:  # as is every error of ssl
            what = f"the certificate-authority of cluster {self.cluster_name}"
            raise InputError(f"kubeconfig: {what} can't be used: {_one_line(error)}") from error
        if configuration.cert_file:
            try:
                ssl.create_default_context().load_cert_chain(configuration.cert_file, configuration.key_file)
            except OSError as error:
                reason = f"its client certificate and key can't be used: {_one_line(error)}"
                raise InputError(self._describe_credentials(reason)) from error

    def _refresh_or_raise(self, refresh: Callable[[Any], None]) -> Callable[[Any], None]:
        """What the client calls before each request: it asks a plugin again if the credentials expire."""

        def refresh_or_raise(configuration: Any) -> None:
            try:
                with _logged_errors_raised(lambda why: UnreachableError(self._describe_credentials(why))):
                    refresh(configuration)
            finally:
                configuration.refresh_api_key_hook = refresh_or_raise  # which the client has replaced
            self._check_token(configuration)

        return refresh_or_raise

    def _check_token(self, configuration: Any) -> None:
        """Take a line end off the token, as kubectl does: a file may end with one."""
        token = configuration.api_key[_TOKEN].strip()
        if not (token.isascii() and token.isprintable()):
            raise InputError(self._describe_credentials("its token has characters that no token has"))
        configuration.api_key[_TOKEN] = token

    def _describe_credentials(self, reason: str) -> str:
        plugin = (self.user.get("exec") or {}).get("command")
        source = f" from its plugin {quoted(str(plugin))}" if plugin else ""
        return f"kubeconfig: user {self.user_name} has no credentials{source}: {reason}"


@contextmanager
def _logged_errors_raised(build_error: Callable[[str], Exception]) -> Iterator[None]:
    """Raise what the Kubernetes client logs as an error in this thread, and print nothing of it."""
    reasons: list[str] = []
    thread = threading.get_ident()

    def take(record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR or record.thread != thread:
            return True
        reasons.append(_one_line(record.getMessage()))
        return False

    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)  # without any, logging would add one that stays
    root.addFilter(take)
    try:
        yield
    finally:
        root.removeFilter(take)
        root.removeHandler(handler)
    if reasons:
        raise build_error("; ".join(reasons))


def _one_line(error: object) -> str:
    """What is wrong, without the file's content, which may hold credentials."""
    return one_line(" ".join(_NOISE.sub("", " ".join(str(error).split())).split())).rstrip(".")
