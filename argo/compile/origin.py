"""Where a workflow file comes from: the repository that its run's lineage and checkouts name."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from argo import repository
from argo.kubernetes_names import GITHUB_REF, GITHUB_URL
from argo.language.model import EventField, GitCheckout, Workflow
from job.checkout.git import HEADS, is_commit, is_ref, is_url, redact_url
from job.errors import InputError


class Kind(StrEnum):
    """What to compile the file to."""

    WORKFLOW = "workflow"
    TEMPLATE = "template"
    CRON = "cron"


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """Where the file lies: its path in the repository, the repository's URL and a commit or branch."""

    file: str
    url: str = ""
    ref: str = ""


def find_origin(workflow: Workflow, kind: Kind, url: str | None = None) -> FileOrigin:
    """The repository of the file, at its commit; for a template, which is for many pushes, at its branch.

    `url` replaces the remote's, which clones write in several ways; an empty one is for any repository.
    Without a repository that has a remote, it is the event in the file itself.
    """
    path = workflow.path
    root = repository.find_root(path.parent) if path.is_file() else None
    file = path.resolve().relative_to(root.resolve()).as_posix() if root else path.name
    if url is not None:
        url = redact_url(url)
    elif root:
        url = repository.remote_url(root)
    if root is None or url is None:
        return FileOrigin(file, workflow.event.url or "", workflow.event.ref or "")
    branch = workflow.trigger.branches[0] if workflow.trigger and workflow.trigger.branches else ""
    if branch and not is_ref(branch):
        branch = f"{HEADS}{branch}"
    return FileOrigin(file, url, branch if kind is Kind.TEMPLATE else _head(root))


def checkout_warnings(workflow: Workflow, origin: FileOrigin) -> Iterator[str]:
    """Why the run's checkout of this repository would fail, one line for each reason."""
    linked = any(
        isinstance(job.action, GitCheckout) and job.action.url is EventField.URL
        for job in workflow.jobs.values()
    )
    if linked and not origin.url:
        parameters = f"-p {GITHUB_URL}=URL -p {GITHUB_REF}=COMMIT"
        yield f"the file is in no repository with a remote: submit with {parameters}"
    elif linked and not is_url(origin.url):
        yield f"no job can check out {origin.url}: submit with -p {GITHUB_URL}=URL"
    elif linked and is_commit(origin.ref) and not repository.is_pushed(workflow.path.parent, origin.ref):
        yield f"commit {origin.ref[:7]} is on no branch of the remote, as far as is known here: push it first"


def _head(root: Path) -> str:
    try:
        return repository.resolve_commit(root, "HEAD")
    except InputError:  # before the first commit
        return ""
