"""`textgen compile`: a workflow file as plain Argo YAML."""

import shlex
from pathlib import Path

import click

from argo.cli.findings import print_warnings
from argo.cli.parameters import parameters_option, parse_pairs
from argo.object_names import GITHUB_URL
from job.errors import InputError, StaleError


class _Command(click.Command):
    """One that keeps its words as they were typed, to say them again."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[__name__] = list(args)
        return super().parse_args(ctx, args)


@click.command("compile", cls=_Command)
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
@click.option(
    "--cluster",
    type=click.Path(path_type=Path),
    help="Cluster configuration file: all of the options below, and more.",
)
@click.option("--instances", type=click.Path(path_type=Path), help="Instance types over the package's.")
@click.option("--scale", help="The share of each instance type to ask for, for smaller nodes: 0.5, say.")
@click.option("--registry", metavar="HOST/PATH", help="A mirror: where images without a registry are.")
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="NAME=IMAGE",
    callback=parse_pairs,
    help="Another image for NAME.",
)
@click.option(
    "--security",
    type=click.Choice(["baseline", "restricted"]),
    help="Whether a job's own container keeps its image's user, or passes Pod Security 'restricted' too.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file in place of the output.")
@click.option("--check", "checking", is_flag=True, help="Write nothing: fail where the file of -o is stale.")
@click.pass_context
def command(  # noqa: PLR0917
    ctx: click.Context,
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
    checking: bool,
) -> None:
    """Print FILE as a Workflow for `argo submit` and `kubectl create`, or a template for `kubectl apply`."""
    from argo.compile import Kind, Security, render
    from argo.compile.cluster_config import load_cluster_config, parse_scale
    from argo.compile.origin import checkout_warnings, find_origin
    from argo.compile.workflow import build
    from argo.instances import load_instances
    from argo.language import WorkflowError, check

    if checking and output is None:
        raise InputError("--check compares with a file: name it with -o")
    checked = check(file)
    workflow = checked.workflow
    if workflow is None:
        raise WorkflowError(checked.diagnostics)
    config = load_cluster_config(cluster)
    options: dict[str, object] = {"images": {**config.images, **images}}
    if instances:
        options["instances"] = load_instances(instances)
    if scale:
        try:
            options["scale"] = parse_scale(scale)
        except ValueError as error:
            raise InputError(f"--scale: {error}") from None
    if registry:
        options["registry"] = registry
    if security:
        options["security"] = Security(security)
    config = config.model_copy(update=options)
    origin = find_origin(workflow, Kind(kind), parameters.get(GITHUB_URL))
    document = build(workflow, Kind(kind), config, origin, values=parameters, schedule=schedule)
    made = render(document, origin.file)
    print_warnings(checked.diagnostics)
    if GITHUB_URL not in parameters:
        for warning in checkout_warnings(workflow, origin):
            click.echo(f"textgen: {warning}", err=True)
    if output and checking:
        _compare(output, made, ctx.meta[__name__])
    elif output:
        output.write_text(made, "utf-8")
    else:
        click.echo(made, nl=False)


def _compare(committed: Path, made: str, words: list[str]) -> None:
    """Raises StaleError where the file is not what is made now, with the difference on the output."""
    from difflib import unified_diff

    try:
        found = committed.read_text("utf-8")
    except FileNotFoundError:
        found = ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{committed}: can't be read: {error}") from error
    if found == made:
        return
    lines = (found.splitlines(keepends=True), made.splitlines(keepends=True))
    click.echo("".join(unified_diff(*lines, f"{committed} (committed)", f"{committed} (compiled)")), nl=False)
    again = shlex.join(["textgen", "compile", *(word for word in words if word != "--check")])
    raise StaleError(f"{committed} is stale: {again}")
