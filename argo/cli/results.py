"""What a run has made, shown at its end: each version, where it lies, and the text itself."""

from pathlib import Path

import click

from argo.cli.invocation import textgen_command
from argo.cli.progress import format_duration
from argo.cli.tables import format_bytes
from argo.local.plan import Plan
from argo.local.run_folder import Run
from argo.runs import Phase, RunRecord
from job.datasets import DatasetRef, Datasets, File, Version

_LINES = 40
_BYTES = 64 * 1024
# What a generation job calls its text, before whatever else there may be.
_FIRST = ("outputs.txt", "output.txt")


def print_results(plan: Plan, run: Run) -> None:
    """Print the result of a run."""
    record = run.record
    colour = "green" if record.phase is Phase.SUCCEEDED else "red"
    message = f": {record.message}" if record.message else ""
    click.echo(f"\n{click.style(record.phase, fg=colour)} in {format_duration(record)}{message}")
    if record.phase is not Phase.SUCCEEDED:
        click.echo(f"  logs     {textgen_command()} logs {record.name}")
    for version in _versions(plan, record):
        _show(plan.datasets, version)


def _versions(plan: Plan, record: RunRecord) -> list[Version]:
    made = [
        record.jobs[job.name].outputs[output.name]
        for job in plan.workflow.jobs.values()
        for output in job.outputs.values()
        if output.dataset and output.name in record.jobs[job.name].outputs
    ]
    return [plan.datasets.resolve(DatasetRef.parse(text)) for text in made]


def _show(datasets: Datasets, version: Version) -> None:
    files = datasets.files(version)
    count = f"{len(files)} file{'s' if len(files) != 1 else ''}"
    click.echo(f"\n{click.style(str(version), bold=True)}  {count}, {format_bytes(version.size)}")
    click.echo(f"  in       {_place(datasets, version)}")
    click.echo(f"  show     {textgen_command()} dataset show {version}")
    click.echo(f"  get      {textgen_command()} dataset get {version} FOLDER")
    if text := _text(datasets, version, files):
        click.echo(f"\n{text}")


def _place(datasets: Datasets, version: Version) -> str:
    url = datasets.files_url(version)
    if not url.startswith("file://"):
        return url
    from urllib.parse import unquote, urlsplit

    path = Path(unquote(urlsplit(url).path))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _text(datasets: Datasets, version: Version, files: tuple[File, ...]) -> str | None:
    texts = [file for file in files if file.path.endswith(".txt") and file.size <= _BYTES]
    named = [file for file in texts if file.path in _FIRST]
    if not named and len(texts) != 1:
        return None
    file = (named or texts)[0]
    body = datasets.read_file(version, file.path)
    lines = body.decode("utf-8", "replace").splitlines()
    # what a terminal would obey is shown, not sent
    shown = ["".join(c if c.isprintable() or c == "\t" else "�" for c in line) for line in lines[:_LINES]]
    more = [f"... {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
    return "\n".join([*shown, *more])
