"""`textgen secret`: the values of `secret:NAME` on a cluster."""

import sys
from pathlib import Path

import click

from argo.cli.cluster import cluster_options
from argo.cli.tables import Column, output_option, print_rows
from argo.cluster.connection import connect
from job.command import FilePath
from job.errors import InputError

_scope_option = click.option(
    "--scope",
    type=click.Choice(["project", "cluster", "team"]),
    default="project",
    show_default=True,
    help="project: this namespace; cluster, team: all. project wins over cluster, cluster over team.",
)


@click.group("secret")
def command() -> None:
    """Set, list and delete secrets on a cluster.

    A value is typed at a prompt, or read from a file or the standard input. It is never printed.
    """


@command.command("list")
@output_option
@cluster_options
def _list(output: str | None, context: str | None, namespace: str | None) -> None:
    """List the secrets that workflows of the namespace can use."""
    from argo.cluster.secrets import SecretEntry, list_secrets

    columns = (
        Column[SecretEntry]("NAME", lambda entry: entry.name),
        Column[SecretEntry]("SCOPE", lambda entry: entry.scope),
        Column[SecretEntry]("USED", lambda entry: "no" if entry.hidden else "yes"),
    )
    api = connect(context, namespace)
    print_rows(
        list_secrets(api),
        columns,
        output,
        lambda entry: {"name": entry.name, "scope": entry.scope.value, "used": not entry.hidden},
        f"no secrets on {api}",
    )


@command.command("set")
@click.argument("name")
@click.option("--file", type=FilePath(), help="File with the value, used as it is.")
@_scope_option
@cluster_options
def _set(name: str, file: Path | None, scope: str, context: str | None, namespace: str | None) -> None:
    """Set the secret NAME.

    Without --file, the value is typed at a prompt, or read from the standard input without its last newline.
    """
    from argo.cluster import secrets

    value = _read_value(name, file)
    if not value:
        raise InputError(f"{name}: the value is empty; textgen secret delete {name} removes a secret")
    namespaces = secrets.change_secret(connect(context, namespace), secrets.Scope(scope), name, value)
    click.echo(f"set {scope} secret {name} for {', '.join(namespaces)}")


@command.command("delete")
@click.argument("name")
@_scope_option
@cluster_options
def _delete(name: str, scope: str, context: str | None, namespace: str | None) -> None:
    """Delete the secret NAME."""
    from argo.cluster import secrets

    namespaces = secrets.change_secret(connect(context, namespace), secrets.Scope(scope), name, None)
    click.echo(f"deleted {scope} secret {name} for {', '.join(namespaces)}")


def _read_value(name: str, file: Path | None) -> bytes:
    if file:
        try:
            return file.read_bytes()
        except OSError as error:
            raise InputError(f"{file}: can't read the secret: {error.strerror}") from error
    if sys.stdin.isatty():
        typed: str = click.prompt(name, hide_input=True, confirmation_prompt=True, err=True)
        return typed.encode()
    return sys.stdin.buffer.read().removesuffix(b"\n")
