"""`textgen compile`: a workflow file as plain Argo YAML."""

from pathlib import Path

import click

from argo.cli.findings import warn
from argo.cli.parameters import pairs, parameters_option


@click.command("compile")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["workflow", "template", "cron"]),
    default="workflow",
    show_default=True,
    help="A Workflow to submit, a WorkflowTemplate to apply, or a CronWorkflow that refers to that.",
)
@click.option("--schedule", help="When a CronWorkflow runs: minute, hour, day, month, weekday.")
@parameters_option
@click.option("--cluster", type=click.Path(path_type=Path), help="All of the options below in one file.")
@click.option("--instances", type=click.Path(path_type=Path), help="Instance types over the package's.")
@click.option("--scale", help="The share of each instance type to ask for, for smaller nodes: 0.5, say.")
@click.option("--registry", metavar="HOST/PATH", help="A mirror: where images without a registry are.")
@click.option(
    "--image", "images", multiple=True, metavar="NAME=IMAGE", callback=pairs, help="Another image for NAME."
)
@click.option(
    "--security",
    type=click.Choice(["baseline", "restricted"]),
    help="Whether a job's own container keeps its image's user, or passes Pod Security 'restricted' too.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file in place of the output.")
def command(  # noqa: PLR0917
    file: Path,
    kind: str,
    schedule: str | None,
    parameters: dict[str, str],
    cluster: Path | None,
    instances: Path | None,
    scale: str | None,
    registry: str | None,
    images: dict[str, str],
    security: str | None,
    output: Path | None,
) -> None:
    """Print FILE as a Workflow for `argo submit` and `kubectl create`, or a template for `kubectl apply`."""
    from argo.compile import Kind, compile
    from argo.compile import cluster as clusters
    from argo.compile.origin import doubts, find
    from argo.language import WorkflowError, check

    checked = check(file)
    workflow = checked.workflow
    if workflow is None:
        raise WorkflowError(checked.diagnostics)
    given = {
        **(clusters.read(cluster) if cluster else {}),
        **({"instances": clusters.instances(instances)} if instances else {}),
        **({"scale": clusters.scale("--scale", scale)} if scale else {}),
        **({"registry": registry} if registry else {}),
        **({"security": clusters.security("--security", security)} if security else {}),
    }
    given["images"] = {**given.get("images", {}), **images}
    found = clusters.Cluster(**given)
    values = {
        **{name: value for name, value in found.parameters.items() if name in workflow.inputs},
        **parameters,
    }
    origin = find(workflow, Kind(kind))
    made = compile(workflow, Kind(kind), found, origin, values=values, schedule=schedule)
    warn(checked.diagnostics)
    if "github-url" not in parameters:
        for doubt in doubts(workflow, origin):
            click.echo(f"textgen: {doubt}", err=True)
    if output:
        output.write_text(made, "utf-8")
    else:
        click.echo(made, nl=False)
