"""`textgen secret`: what `secret:NAME` stands for on a cluster."""

import sys
from pathlib import Path

import click

from argo.cli.cluster import cluster_options, open_cluster
from argo.cli.tables import Column, output_option, print_rows
from job.errors import InputError

_scope = click.option(
    "--scope",
    type=click.Choice(["project", "cluster", "team"]),
    default="project",
    show_default=True,
    help="This namespace's, or all namespaces'; a project's wins over its cluster's over its team's.",
)


@click.group("secret")
def command() -> None:
    """Set, list and delete the secrets of workflows on a cluster.

    A value is typed at a prompt, or read from a file or the standard input; it is never printed.
    """


@command.command("list")
@output_option
@cluster_options
def _list(output: str | None, context: str | None, namespace: str | None) -> None:
    """List the names of the secrets that workflows of the namespace see."""
    from argo.cluster.secrets import SecretEntry, list_secrets

    columns = (
        Column[SecretEntry]("NAME", lambda entry: entry.name),
        Column[SecretEntry]("SCOPE", lambda entry: entry.scope),
        Column[SecretEntry]("USED", lambda entry: "no" if entry.hidden else "yes"),
    )
    api = open_cluster(context, namespace)
    print_rows(
        list_secrets(api),
        columns,
        output,
        lambda entry: {"name": entry.name, "scope": entry.scope.value, "used": not entry.hidden},
        f"no secrets on {api}",
    )


@command.command("set")
@click.argument("name")
@click.option("--file", type=click.Path(path_type=Path), help="A file with the value, as it is.")
@_scope
@cluster_options
def _set(name: str, file: Path | None, scope: str, context: str | None, namespace: str | None) -> None:
    """Set the secret NAME.

    Without --file the value is what is typed, or the standard input without its last newline.
    """
    from argo.cluster import secrets

    value = _value(name, file)
    if not value:
        raise InputError(f"{name}: the value is empty; textgen secret delete {name} removes a secret")
    seen = secrets.change_secret(open_cluster(context, namespace), secrets.Scope(scope), name, value)
    click.echo(f"set {scope} secret {name} for {', '.join(seen)}")


@command.command("delete")
@click.argument("name")
@_scope
@cluster_options
def _delete(name: str, scope: str, context: str | None, namespace: str | None) -> None:
    """Delete the secret NAME."""
    from argo.cluster import secrets

    seen = secrets.change_secret(open_cluster(context, namespace), secrets.Scope(scope), name, None)
    click.echo(f"deleted {scope} secret {name} for {', '.join(seen)}")


def _value(name: str, file: Path | None) -> bytes:
    if file:
        try:
            return file.read_bytes()
        except OSError as error:
            raise InputError(f"{file}: can't read the secret: {error.strerror}") from error
    if sys.stdin.isatty():
        typed: str = click.prompt(name, hide_input=True, confirmation_prompt=True, err=True)
        return typed.encode()
    return sys.stdin.buffer.read().removesuffix(b"\n")
