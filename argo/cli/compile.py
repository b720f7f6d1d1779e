"""`textgen compile`: a workflow file as plain Argo YAML."""

import shlex
from pathlib import Path

import click

from argo.cli.workflow_file import parameters_option, parse_pairs, print_warnings
from argo.kubernetes_names import GITHUB_URL
from job.command import FilePath, print_notice
from job.errors import InputError, StaleError


class _Command(click.Command):
    """A command that keeps its arguments as they were typed, to repeat them in a message."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[__name__] = list(args)
        return super().parse_args(ctx, args)


@click.command("compile", cls=_Command)
@click.argument("file", type=FilePath())
@click.option(
    "--kind",
    type=click.Choice(["workflow", "template", "cron"]),
    default="workflow",
    show_default=True,
    help="Kind of object; a CronWorkflow refers to the WorkflowTemplate of the same file.",
)
@click.option("--schedule", help="Cron schedule: minute, hour, day of month, month, day of week.")
@parameters_option
@click.option(
    "--cluster",
    type=FilePath(),
    help="Cluster configuration file. The options below override it.",
)
@click.option("--instances", type=FilePath(), help="Instance types file; overrides the built-in types.")
@click.option("--scale", help="Fraction of each instance type to request, for smaller nodes (0.5).")
@click.option("--registry", metavar="HOST/PATH", help="Registry for images that name none.")
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="NAME=IMAGE",
    callback=parse_pairs,
    help="Use IMAGE in place of the image NAME.",
)
@click.option(
    "--security",
    type=click.Choice(["baseline", "restricted"]),
    help="Pod Security Standard of a job's own container; baseline keeps its image's user.",
)
@click.option("-o", "--output", type=FilePath(), help="Write to this file, not to the standard output.")
@click.option(
    "--check", "checking", is_flag=True, help="Write nothing; fail if the file of -o is out of date."
)
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
    """Compile FILE to Argo YAML: a Workflow to create, or a template or CronWorkflow to apply."""
    from argo.compile import Kind, Security, render
    from argo.compile.cluster_config import load_cluster_config, parse_scale
    from argo.compile.lint import find_skipped_entrypoints
    from argo.compile.origin import checkout_warnings, find_origin
    from argo.compile.workflow import build
    from argo.instances import load_instances
    from argo.language import check

    if checking and output is None:
        raise InputError("--check needs a file to compare with: give -o FILE")
    checked = check(file)
    workflow = checked.require_workflow()
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
    text = render(document, origin.file)
    print_warnings([*checked.diagnostics, *find_skipped_entrypoints(workflow, config)])
    if GITHUB_URL not in parameters:
        for warning in checkout_warnings(workflow, origin):
            print_notice(f"textgen: {warning}")
    if output and checking:
        _compare(output, text, ctx.meta[__name__])
    elif output:
        output.write_text(text, "utf-8")
    else:
        click.echo(text, nl=False)


def _compare(committed: Path, compiled: str, args: list[str]) -> None:
    """Print how the file differs from what is compiled now. Raises StaleError if it does."""
    from difflib import unified_diff

    try:
        text = committed.read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(f"{committed}: can't be read: {reason}") from error
    if text == compiled:
        return
    lines = (text.splitlines(keepends=True), compiled.splitlines(keepends=True))
    click.echo("".join(unified_diff(*lines, f"{committed} (committed)", f"{committed} (compiled)")), nl=False)
    update = shlex.join(["textgen", "compile", *(arg for arg in args if arg != "--check")])
    raise StaleError(f"{committed} is stale: {update}")
