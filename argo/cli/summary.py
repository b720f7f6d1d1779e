"""What is printed at the end of a local run: how it ended, each version, its folder, and its text."""

import shlex
from pathlib import Path

import click

from argo.cli.dataset.texts import format_beginning
from argo.cli.local_run import textgen_command
from argo.cli.progress import PHASE_COLOURS
from argo.local.plan import Plan
from argo.local.run_folder import Run
from argo.local.run_job import version_outputs
from argo.runs import Phase, RunRecord
from argo.texts.files import find_texts, stream_texts
from argo.units import format_bytes, format_duration
from job.datasets import DatasetRef, Datasets, Manifest, Version
from job.text import TAB, counted, visible

_MAX_LINES = 40
_MAX_BYTES = 64 * 1024
# The files in which a generation job writes its text; shown before any other.
_TEXT_FILES = ("outputs.txt", "output.txt")


def print_summary(plan: Plan, run: Run) -> None:
    """Print how the run ended, and the versions that it made."""
    record = run.record
    message = f": {visible(record.message)}" if record.message else ""
    phase = click.style(record.phase, fg=PHASE_COLOURS.get(record.phase))
    click.echo(f"\n{phase} in {format_duration(record)}{message}")
    command = textgen_command(plan.project.root)
    if record.phase is not Phase.SUCCEEDED:
        click.echo(f"  logs     {command} logs {record.name}")
        env = "".join(f" --env {shlex.quote(name)}" for name in plan.env)
        click.echo(f"  retry    {command} retry {record.name}{env}")
    for version in _list_versions(plan, record):
        _print_version(plan.datasets, version, command)


def _list_versions(plan: Plan, record: RunRecord) -> list[Version]:
    refs = [
        record.jobs[job.name].outputs[output]
        for job in plan.workflow.jobs.values()
        for output in version_outputs(job)
        if output in record.jobs[job.name].outputs
    ]
    return [plan.datasets.resolve(DatasetRef.parse(ref)) for ref in refs]


def _print_version(datasets: Datasets, version: Version, command: str) -> None:
    manifest = datasets.manifest(version)
    count = counted(len(manifest.files), "file")
    click.echo(f"\n{click.style(str(version), bold=True)}  {count}, {format_bytes(version.size)}")
    click.echo(f"  in       {_format_location(datasets, version)}")
    click.echo(f"  show     {command} dataset show {version}")
    click.echo(f"  get      {command} dataset get {version} FOLDER")
    if text := _read_text(datasets, version, manifest):
        click.echo(f"\n{text}")


def _format_location(datasets: Datasets, version: Version) -> str:
    url = datasets.files_url(version)
    if not url.startswith("file://"):
        return url
    from urllib.parse import unquote, urlsplit

    path = Path(unquote(urlsplit(url).path))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _read_text(datasets: Datasets, version: Version, manifest: Manifest) -> str | None:
    texts = [file for file in manifest.files if file.path.endswith(".txt") and file.size <= _MAX_BYTES]
    named = [file for file in texts if file.path in _TEXT_FILES]
    if named or len(texts) == 1:
        body = datasets.read_file(version, (named or texts)[0].path)
        lines = body.decode("utf-8", "replace").splitlines()
    elif find_texts(manifest):
        lines = format_beginning(stream_texts(datasets, version, manifest), _MAX_BYTES).splitlines()
    else:
        return None
    shown = [visible(line, keep=TAB) for line in lines[:_MAX_LINES]]
    more = [f"... {len(lines) - _MAX_LINES} more lines"] if len(lines) > _MAX_LINES else []
    return "\n".join([*shown, *more])
