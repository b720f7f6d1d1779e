"""`textgen lint`: all errors and warnings of workflow files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from job.command import FilePath
from job.errors import InputError
from job.text import counted

if TYPE_CHECKING:
    from argo.language import Diagnostic

_SUFFIXES = (".yaml", ".yml")
_FOLDER = Path(".gradient", "workflows")


@click.command("lint")
@click.argument("paths", nargs=-1, type=FilePath(), metavar="[FILE|FOLDER|-]...")
@click.option(
    "-o",
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Output format: lines of text, a JSON list, or GitHub annotations.",
)
def command(paths: tuple[Path, ...], output_format: str) -> int:
    """Check workflow files: each FILE, those of each FOLDER, or those of this repository.

    The exit status is 2 if a file has an error, and 0 if there are none or only warnings.
    """
    from argo.compile.lint import lint
    from argo.language import Severity

    files = [file for path in paths or (Path(),) for file in _find_files(path)]
    diagnostics: list[Diagnostic] = []
    for file in files:
        file_diagnostics = lint(file)
        diagnostics.extend(file_diagnostics)
        if output_format != "json":
            for diagnostic in file_diagnostics:
                click.echo(_format_github(diagnostic) if output_format == "github" else str(diagnostic))
    if output_format == "json":
        click.echo(_format_json(diagnostics))
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    counts = (
        counted(len(files), "file"),
        counted(errors, "error"),
        counted(len(diagnostics) - errors, "warning"),
    )
    click.echo(", ".join(counts), err=True)
    return 2 if errors else 0


def _find_files(path: Path) -> list[Path]:
    """The workflow files that one argument names. Raises InputError for a folder without any."""
    if str(path) == "-" or not path.is_dir():
        return [path]
    folder = path / _FOLDER if (path / _FOLDER).is_dir() else path
    files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES and not file.is_dir())
    if not files or (path == Path() and folder == path):
        raise InputError(f"{path / _FOLDER}: no workflow files; name one, or make one with textgen init")
    return files


def _format_json(diagnostics: "Sequence[Diagnostic]") -> str:
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
        for each in diagnostics
    ]
    return json.dumps(rows, indent=2)


def _format_github(diagnostic: "Diagnostic") -> str:
    """A workflow command that GitHub shows beside the line."""
    file, position = _escape(str(diagnostic.path), ":,"), diagnostic.position
    location = f"file={file},line={position.line},col={position.column}"
    text = ": ".join(part for part in (diagnostic.key, diagnostic.message) if part)
    text += f"; {diagnostic.hint}" if diagnostic.hint else ""
    return f"::{diagnostic.severity} {location},title={diagnostic.code}::{_escape(text)}"


def _escape(text: str, also: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + also else c for c in text)
