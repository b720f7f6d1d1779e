"""`textgen run`: run a workflow file on this machine."""

import sys
from pathlib import Path

import click

from argo.cli.workflow_file import parameters_option, print_warnings
from job.command import FilePath
from job.generate.shards.files import MOST_SHARDS


@click.command("run")
@click.argument("file", type=FilePath())
@parameters_option
@click.option("--ref", metavar="REF", help="Commit, branch or tag to run (default: the working tree).")
@click.option(
    "--secrets",
    type=FilePath(),
    help="File of NAME=value lines for `secret:NAME` (or else variables of --env).",
)
@click.option(
    "--env",
    "env",
    multiple=True,
    metavar="NAME",
    help="Variable of this environment that all jobs get.",
)
@click.option(
    "--runtime",
    type=click.Choice(["sandbox", "docker", "podman", "host"]),
    default="sandbox",
    show_default=True,
    help="sandbox: this machine, copy-on-write; docker, podman: the jobs' images; host: no isolation.",
)
@click.option(
    "--shards",
    type=click.IntRange(1, MOST_SHARDS),
    help="Number of shards of a generate@v1 job, in place of the file's.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only the run's name.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["json", "yaml"]),
    help="Print only the run, as JSON or YAML, when it ends.",
)
def command(
    file: Path,
    *,
    parameters: dict[str, str],
    ref: str | None,
    secrets: Path | None,
    env: tuple[str, ...],
    runtime: str,
    shards: int | None,
    quiet: bool,
    output: str | None,
) -> int:
    """Run the workflow FILE on this machine.

    A checkout of this repository uses the working tree as it is, with uncommitted changes.
    """
    from argo.cli.local_run import explain_ends, make_runtime
    from argo.cli.progress import LineReporter, SilentReporter
    from argo.language import check
    from argo.local.plan import make_plan
    from argo.local.runner import run_plan

    checked = check(file)
    workflow = checked.require_workflow()
    plan = make_plan(
        workflow,
        make_runtime(runtime),
        parameters=parameters,
        ref=ref,
        secrets=secrets,
        env=env,
        shards=shards,
    )
    if not quiet:
        print_warnings(checked.diagnostics)
        if exposed := plan.exposed_secrets:
            click.echo(
                f"{exposed}: git would commit these secrets; "
                "move the file out of the repository, or add it to .gitignore",
                err=True,
            )
        if withheld := plan.environment.withheld:
            click.echo(
                f"jobs don't get {', '.join(withheld)}, which may hold a password; "
                "add --env NAME for each that they need",
                err=True,
            )
    reporter = SilentReporter() if quiet or output else LineReporter(sys.stdout, list(workflow.jobs))
    with explain_ends(plan.project):
        run = run_plan(plan, str(file), reporter)
    if output:
        from argo.cli.tables import print_value

        print_value(run.record.to_json(), output)
    elif quiet:
        click.echo(run.record.name)
    else:
        from argo.cli.summary import print_summary

        print_summary(plan, run)
    return 0 if run.record.phase == "Succeeded" else 1
