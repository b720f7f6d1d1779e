"""Whether the run checks out the code that its user is looking at."""

from collections.abc import Iterator

from argo import repository
from argo.cluster.api import Object
from argo.cluster.preflight import Problem
from argo.kubernetes_names import GITHUB_REF, GITHUB_URL
from argo.language.model import EventField, GitCheckout, Workflow


def check_checkouts(workflow: Workflow, manifest: Object) -> Iterator[Problem]:
    """A missing URL of the linked repository, and files here that differ from the commit of the run."""
    linked = [
        job
        for job in workflow.jobs.values()
        if isinstance(job.action, GitCheckout) and job.action.url is EventField.URL
    ]
    if not linked:
        return
    parameters = {each["name"]: each.get("value", "") for each in manifest["spec"]["arguments"]["parameters"]}
    if not parameters[GITHUB_URL]:
        yield Problem(
            f"{workflow.path}:{linked[0].at.line}: job {linked[0].name!r} checks out "
            "context.event.github.url, but the file is in no repository with a remote; "
            f"give -p {GITHUB_URL}=URL"
        )
        return
    root = repository.find_root(workflow.path.parent)
    code = repository.describe_code(root) if root else None
    if code and code.changed and code.commit == parameters[GITHUB_REF]:
        files = "1 file differs" if code.changed == 1 else f"{code.changed} files differ"
        yield Problem(
            f"{files} from commit {parameters[GITHUB_REF][:7]}, which the run checks out; "
            "commit and push them",
            certain=False,
        )
