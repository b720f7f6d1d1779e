"""The arguments RUN and JOB, which a shell completes."""

from pathlib import Path

import click

from argo.cli.cluster import find_run
from argo.cluster.connection import connect, is_configured
from argo.local import run_folder
from argo.local.run_folder import Project


def complete_runs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """This machine's runs, newest first; the cluster's if there are none, or if a cluster is named."""
    context, namespace = ctx.params.get("context"), ctx.params.get("namespace")
    names = [] if context or namespace else run_folder.list_names(Project.find(Path.cwd()).runs)
    if not names and is_configured():
        from argo.cluster.workflow_status import list_runs

        names = [run.name for run in list_runs(connect(context, namespace))]
    return [name for name in names if name.startswith(incomplete)]


def _complete_jobs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    name = ctx.params["name"]
    location = find_run(name, ctx.params.get("context"), ctx.params.get("namespace"))
    if isinstance(location, Path):
        run = run_folder.load(location)
    else:
        from argo.cluster.follow_run import get_workflow
        from argo.cluster.workflow_status import build_run_record

        run = build_run_record(get_workflow(location, name))
    return [job for job in run.jobs if job.startswith(incomplete)]


run_argument = click.argument("name", metavar="RUN", shell_complete=complete_runs)
job_argument = click.argument("job", required=False, shell_complete=_complete_jobs)
