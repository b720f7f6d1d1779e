"""`textgen retry`."""

import sys
from pathlib import Path

import click

from argo.cli.cluster import cluster_options, find_run
from argo.cli.run_argument import run_argument
from job.command import FilePath
from job.errors import InputError


@click.command("retry")
@run_argument
@click.option(
    "--wait/--detach",
    default=True,
    show_default=True,
    help="Follow the run until it completes, or return at once (on a cluster).",
)
@click.option(
    "--secrets",
    type=FilePath(),
    help="File of NAME=value lines, for a run of this machine.",
)
@click.option(
    "--env",
    "env",
    multiple=True,
    metavar="NAME",
    help="Variable of this environment that all jobs get, for a run of this machine.",
)
@cluster_options
def command(
    name: str,
    wait: bool,
    secrets: Path | None,
    env: tuple[str, ...],
    context: str | None,
    namespace: str | None,
) -> int:
    """Retry the jobs of RUN that did not succeed, as the same run.

    The other jobs keep their results.
    """
    from argo.cli.show_run import show_cluster_run
    from argo.cluster.stop_and_retry import retry_run

    location = find_run(name, context, namespace)
    if isinstance(location, Path):
        if not wait:
            raise InputError(
                f"{name} is a run of this machine, which ends with this command: leave out --detach"
            )
        return _retry_local_run(location, secrets, env)
    if secrets:
        raise InputError(f"{name} is a run of a cluster, which has the secrets: leave out --secrets")
    if env:
        raise InputError(
            f"{name} is a run of a cluster, whose pods have variables of their own: leave out --env"
        )
    jobs = retry_run(location, name)
    click.echo(f"retrying {', '.join(jobs)} of {name} on {location}")
    return show_cluster_run(location, name) if wait else 0


def _retry_local_run(folder: Path, secrets: Path | None, env: tuple[str, ...]) -> int:
    from argo.cli.local_run import explain_ends, make_runtime
    from argo.cli.progress import LineReporter
    from argo.cli.summary import print_summary
    from argo.local.retry import retry_run
    from argo.local.run_folder import Project

    with explain_ends(Project(folder.parents[2])):
        plan, run = retry_run(folder, make_runtime, secrets, env, lambda jobs: LineReporter(sys.stdout, jobs))
    print_summary(plan, run)
    return 0 if run.record.phase == "Succeeded" else 1
