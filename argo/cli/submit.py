"""`textgen submit`: run a workflow file on a cluster."""

from pathlib import Path

import click

from argo.cli.cluster import cluster_file_option, cluster_options
from argo.cli.workflow_file import parameters_option, print_warnings
from argo.cluster.connection import connect
from job.command import FilePath, print_notice


@click.command("submit")
@click.argument("file", type=FilePath())
@parameters_option
@click.option(
    "--wait/--detach",
    default=True,
    show_default=True,
    help="Follow the run until it completes, or return at once.",
)
@click.option("--once", is_flag=True, help="If this commit has a run already, follow that run.")
@cluster_file_option
@cluster_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["name", "json", "yaml"]),
    help="Print only the run's name, or the Workflow as JSON or YAML.",
)
def command(
    file: Path,
    parameters: dict[str, str],
    wait: bool,
    once: bool,
    cluster: Path | None,
    context: str | None,
    namespace: str | None,
    output: str | None,
) -> int:
    """Run the workflow FILE on the cluster.

    The exit status is 0 if the run succeeded, and 1 if it failed. Ctrl-C does not stop the run.
    """
    from argo.cli.show_run import show_cluster_run
    from argo.cluster.follow_run import get_workflow
    from argo.cluster.preflight.checks import find_problems, raise_certain
    from argo.cluster.submit import create_run, prepare_submission
    from argo.language import check

    checked = check(file)
    workflow = checked.require_workflow()
    submission = prepare_submission(workflow, cluster, parameters)
    print_warnings([*checked.diagnostics, *submission.warnings])
    api = connect(context, namespace)
    problems = find_problems(api, submission)
    for problem in problems:
        if not problem.certain:
            print_notice(f"warning: {problem.message}")
    raise_certain(api, problems)
    if once:
        from argo.trigger.push_workflow import submit_once

        created = submit_once(api, submission)
    else:
        created = create_run(api, submission)
    name = created["metadata"]["name"]
    if output == "name":
        click.echo(name)
    elif output is None:
        click.echo(f"{name} is the run of this commit on {api}" if once else f"submitted {name} to {api}")
    status = show_cluster_run(api, name, quiet=bool(output)) if wait else 0
    if output in {"json", "yaml"}:
        from argo.cli.tables import print_value

        print_value(get_workflow(api, name) if wait else created, output)
    return status
