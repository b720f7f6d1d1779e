"""Whether the run gets the code that its user looks at."""

from collections.abc import Iterator

from argo import repository
from argo.cluster.api import Object
from argo.cluster.preflight import Problem
from argo.language.model import EventField, GitCheckout, Workflow
from argo.object_names import GITHUB_REF, GITHUB_URL


def check_checkouts(workflow: Workflow, made: Object) -> Iterator[Problem]:
    """What the checkouts of the linked repository will not find."""
    linked = [
        job
        for job in workflow.jobs.values()
        if isinstance(job.action, GitCheckout) and job.action.url is EventField.URL
    ]
    if not linked:
        return
    given = {each["name"]: each.get("value", "") for each in made["spec"]["arguments"]["parameters"]}
    if not given[GITHUB_URL]:
        yield Problem(
            f"{workflow.path}:{linked[0].at.line}: job {linked[0].name!r} checks out "
            "context.event.github.url, and the file is in no repository with a remote; "
            f"give -p {GITHUB_URL}=URL"
        )
        return
    root = repository.find_root(workflow.path.parent)
    here = repository.describe_code(root) if root else None
    if here and here.changed and here.commit == given[GITHUB_REF]:
        files = "1 file has" if here.changed == 1 else f"{here.changed} files have"
        yield Problem(
            f"{files} changes that the run does not see: it takes commit {given[GITHUB_REF][:7]}; "
            "commit and push them",
            certain=False,
        )
