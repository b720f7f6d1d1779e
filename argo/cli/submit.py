"""`textgen submit`: a workflow file, on the cluster."""

from pathlib import Path

import click

from argo.cli.cluster import cluster_options, open_cluster
from argo.cli.findings import print_warnings
from argo.cli.parameters import parameters_option


@click.command("submit")
@click.argument("file", type=click.Path(path_type=Path))
@parameters_option
@click.option("--wait/--detach", default=True, show_default=True, help="Follow the run to its end, or not.")
@click.option("--once", is_flag=True, help="Follow the run of this commit where there is one already.")
@click.option("--cluster", type=click.Path(path_type=Path), help="Cluster configuration file.")
@cluster_options
@click.option(
    "-o", "--output", type=click.Choice(["name", "json", "yaml"]), help="Print this of the Workflow, only."
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

    The exit status is the run's: 0 where it succeeded, 1 where it failed. Ctrl-C leaves it going.
    """
    from argo.cli.show_run import show_cluster_run
    from argo.cluster import follow, submit
    from argo.cluster.preflight.checks import find_problems, raise_certain
    from argo.language import WorkflowError, check

    checked = check(file)
    if checked.workflow is None:
        raise WorkflowError(checked.diagnostics)
    print_warnings(checked.diagnostics)
    submission = submit.prepare_submission(checked.workflow, cluster, parameters)
    api = open_cluster(context, namespace)
    problems = find_problems(api, submission)
    for problem in problems:
        if not problem.certain:
            click.echo(f"warning: {problem.message}", err=True)
    raise_certain(api, problems)
    if once:
        from argo.trigger.push_workflow import submit_once

        created = submit_once(api, submission)
    else:
        created = submit.create_run(api, submission)
    name = created["metadata"]["name"]
    if output == "name":
        click.echo(name)
    elif output is None:
        click.echo(f"{name} is the run of this commit on {api}" if once else f"submitted {name} to {api}")
    status = show_cluster_run(api, name, quiet=bool(output)) if wait else 0
    if output in {"json", "yaml"}:
        from argo.cli.tables import print_value

        print_value(follow.get_workflow(api, name) if wait else created, output)
    return status
