"""Where a workflow file comes from: what the run's lineage and checkouts take it to be."""

from pathlib import Path

from argo.compile.workflow import Kind, Origin
from argo.language.model import Workflow
from argo.local import source
from job.errors import InputError


def find(workflow: Workflow, kind: Kind) -> Origin:
    """The repository of the file, at its commit; for a template, which is for many pushes, at its branch.

    Without a repository that has a remote, the event that the file itself carries.
    """
    path = workflow.path
    root = source.repository(path.parent) if path.is_file() else None
    file = path.resolve().relative_to(root.resolve()).as_posix() if root else path.name
    url = source.remote(root) if root else None
    if root is None or url is None:
        return Origin(file, workflow.event.url or "", workflow.event.ref or "")
    branch = workflow.trigger.branches[0] if workflow.trigger and workflow.trigger.branches else ""
    return Origin(file, url, branch if kind is Kind.TEMPLATE else _head(root))


def _head(root: Path) -> str:
    try:
        return source.commit(root, "HEAD")
    except InputError:  # before the first commit
        return ""
