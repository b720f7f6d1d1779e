"""`textgen lint`: everything that is wrong with workflow files, and where."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from job.errors import InputError

if TYPE_CHECKING:
    from argo.language import Diagnostic

_SUFFIXES = (".yaml", ".yml")
_FOLDER = Path(".gradient", "workflows")


@click.command("lint")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|FOLDER|-]...")
@click.option(
    "-o",
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Lines for people, one JSON list, or GitHub's annotations.",
)
def command(paths: tuple[Path, ...], form: str) -> int:
    """Check workflow files: those named, a folder's, or this repository's.

    Exits with 2 where a file has an error, with 0 where all have none or warnings only.
    """
    from argo.language import Severity, check

    files = [file for path in paths or (Path(),) for file in _files(path)]
    found: list[Diagnostic] = []
    for file in files:
        diagnostics = check(file).diagnostics
        found.extend(diagnostics)
        if form != "json":
            for each in diagnostics:
                click.echo(_github(each) if form == "github" else str(each))
    if form == "json":
        click.echo(_json(found))
    errors = sum(each.severity is Severity.ERROR for each in found)
    counts = ", ".join(
        (_count(len(files), "file"), _count(errors, "error"), _count(len(found) - errors, "warning"))
    )
    click.echo(counts, err=True)
    return 2 if errors else 0


def _files(path: Path) -> list[Path]:
    """The workflow files that one argument names.

    Raises InputError for a folder without any.
    """
    if str(path) == "-" or not path.is_dir():
        return [path]
    folder = path / _FOLDER if (path / _FOLDER).is_dir() else path
    files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES and not file.is_dir())
    if not files or (path == Path() and folder == path):
        raise InputError(f"{path / _FOLDER}: no workflow files; name one, or make one with textgen init")
    return files


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _json(found: "Sequence[Diagnostic]") -> str:
    rows = [
        {
            "code": each.code,
            "severity": str(each.severity),
            "file": str(each.path),
            "line": each.position.line,
            "column": each.position.column,
            "key": each.key,
            "message": each.message,
            "hint": each.hint,
        }
        for each in found
    ]
    return json.dumps(rows, indent=2)


def _github(each: "Diagnostic") -> str:
    """A workflow command that GitHub shows beside the line."""
    where = f"file={_escaped(str(each.path), ':,')},line={each.position.line},col={each.position.column}"
    text = ": ".join(part for part in (each.key, each.message) if part)
    text += f"; {each.hint}" if each.hint else ""
    return f"::{each.severity} {where},title={each.code}::{_escaped(text)}"


def _escaped(text: str, also: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + also else c for c in text)
