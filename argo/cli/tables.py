"""`-o wide|json|yaml` as kubectl has it: plain aligned columns for people, objects for programs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import click

from job.text import visible

T = TypeVar("T")

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["wide", "json", "yaml"]),
    help="Output format: more columns, JSON or YAML.",
)


@dataclass(frozen=True)
class Column(Generic[T]):
    """A title, the cell of a row, and whether only `-o wide` shows the column."""

    title: str
    value: Callable[[T], str]
    wide: bool = False


def print_rows(
    rows: Sequence[T],
    columns: Sequence[Column[T]],
    output: str | None,
    encode: Callable[[T], Mapping[str, object]],
    empty_message: str,
) -> None:
    """Print `rows` in the format `output`; without rows, print `empty_message` to stderr."""
    if output in {"json", "yaml"}:
        print_value([encode(row) for row in rows], output)
    elif rows:
        shown = [column for column in columns if output == "wide" or not column.wide]
        cells = [[column.title for column in shown]]
        cells += [[column.value(row) or "<none>" for column in shown] for row in rows]
        click.echo(align_columns(cells))
    else:
        click.echo(empty_message, err=True)


def print_value(value: object, output: str) -> None:
    """Print mappings, lists and plain values as JSON or YAML."""
    click.echo(_format_value(value, output), nl=False)


def print_with_items(value: Mapping[str, object], name: str, items: Iterable[object], output: str) -> None:
    """Print a mapping as JSON or YAML; its last value is a list, of which one item at a time is in memory."""
    is_json = output == "json"
    text = _format_value(value, output)
    click.echo(text.removesuffix("\n}\n") + f',\n  "{name}": [' if is_json else f"{text}{name}:", nl=False)
    separator = "\n"
    for item in items:
        if is_json:
            inner = _format_value(item, output).rstrip().replace("\n", "\n    ")
            click.echo(f"{separator}    {inner}", nl=False)
            separator = ",\n"
        else:
            click.echo(separator + _format_value([item], output), nl=False)
            separator = ""
    is_empty = separator == "\n"
    if is_json:
        click.echo("]\n}" if is_empty else "\n  ]\n}")
    elif is_empty:
        click.echo(" []")


def _format_value(value: object, output: str) -> str:
    if output == "json":
        return _escape_controls(json.dumps(value, ensure_ascii=False, indent=2)) + "\n"
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """Writes a text of several lines as a literal block, as kubectl does, unless it needs escapes."""

    def represent_str(dumper: Any, text: str) -> Any:
        style = '"' if visible(text, keep="\n") != text else "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent_str)
    plain = json.loads(json.dumps(value))
    return _escape_controls(yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=4096))


def _escape_controls(text: str) -> str:
    """JSON or YAML with its control characters as escapes: both libraries leave some as they are."""
    if visible(text, keep="\n") == text:
        return text
    return "".join(c if c == "\n" or visible(c) == c else json.dumps(c)[1:-1] for c in text)


def align_columns(cells: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines, with three spaces between the columns; control characters become marks."""
    texts = [[visible(cell) for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in texts)
    return "\n".join("   ".join(row).rstrip() for row in padded)
