"""`textgen run`: a workflow file, on this machine."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argo.cli.findings import print_warnings
from argo.cli.parameters import parameters_option
from job.errors import InputError

if TYPE_CHECKING:
    from argo.local.runtime import Runtime


@click.command("run")
@click.argument("file", type=click.Path(path_type=Path))
@parameters_option
@click.option("--ref", metavar="REF", help="Run this commit, branch or tag instead of the working tree.")
@click.option(
    "--secrets",
    type=click.Path(path_type=Path),
    help="A file of NAME=value lines (default: the environment).",
)
@click.option(
    "--runtime",
    type=click.Choice(["sandbox", "docker", "podman", "host"]),
    default="sandbox",
    show_default=True,
    help="sandbox: this machine, copy-on-write; docker, podman: the named images; host: this machine itself.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the run's name only.")
@click.option(
    "-o", "--output", type=click.Choice(["json", "yaml"]), help="Print the run's record at its end."
)
def command(
    file: Path,
    parameters: dict[str, str],
    ref: str | None,
    secrets: Path | None,
    runtime: str,
    quiet: bool,
    output: str | None,
) -> int:
    """Run the workflow FILE on this machine.

    Its checkout of this repository takes the working tree as it is, uncommitted edits included.
    """
    from argo.cli.progress import Plain, Silent
    from argo.language import WorkflowError, check
    from argo.local.plan import make_plan
    from argo.local.runner import run_plan

    checked = check(file)
    if checked.workflow is None:
        raise WorkflowError(checked.diagnostics)
    plan = make_plan(checked.workflow, _runtime(runtime), parameters=parameters, ref=ref, secrets=secrets)
    if not quiet:
        print_warnings(checked.diagnostics)
    report = Silent() if quiet or output else Plain(sys.stdout, list(checked.workflow.jobs))
    try:
        run = run_plan(plan, str(file), report)
    except BrokenPipeError as error:
        raise InputError("nobody reads the output any more: the run was ended") from error
    except OSError as error:
        raise InputError(f"{error.filename or plan.project.home}: {error.strerror}") from error
    if output:
        from argo.cli.tables import print_value

        print_value(run.record.encoded(), output)
    elif quiet:
        click.echo(run.record.name)
    else:
        from argo.cli.results import print_results

        print_results(plan, run)
    return 0 if run.record.phase == "Succeeded" else 1


def _runtime(name: str) -> "Runtime":
    from argo.local.containers import Containers
    from argo.local.host import Host
    from argo.local.sandbox import Sandbox

    match name:
        case "sandbox":
            return Sandbox()
        case "host":
            return Host()
        case _:
            return Containers(name)
