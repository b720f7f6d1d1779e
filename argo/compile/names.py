"""Names as Kubernetes and Argo take them, made from names that a file has."""

import hashlib
import re
from collections.abc import Iterable

from job.errors import InputError

_LONGEST_NAME = 52  # of a CronWorkflow; Argo adds 11 to make a run's name


def task_name(job: str) -> str:
    """A job's name in Argo's alphabet: letters, digits and dashes."""
    return job.replace("_", "-").lstrip("-") or "job"


def template_name(job: str) -> str:
    """The name of a job's template: part of its pods' names, so in lower case."""
    return task_name(job).lower()


def parameter_name(name: str) -> str:
    """The name of the parameter for an input of the workflow or for a version that a job makes."""
    return name.replace(".", "-")


def resource_name(stem: str) -> str:
    """A name for the workflow, from its file's; a digest keeps long ones apart."""
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 9].rstrip('-')}-{_digest(stem)}"
    return name or "workflow"


def label_value(text: str) -> str:
    """A text as a label's value, or the name of its key: at most 63 letters, digits, `-`, `_` and `.`.

    If something is lost, a digest keeps two such texts apart.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")
    if safe == text and len(safe) <= 63:
        return safe
    return f"{safe[:54].rstrip('._-')}-{_digest(text)}".lstrip("-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def check_unique(names: Iterable[tuple[str, str, str]], what: str) -> None:
    """Check (name, name for Argo, position in the file) for two that have one name for Argo.

    Raises InputError at the second.
    """
    seen: dict[str, str] = {}
    for name, argo_name, position in names:
        if argo_name in seen:
            raise InputError(
                f"{position}: {what} {name!r} and {seen[argo_name]!r} are both {argo_name!r} for Argo; "
                "rename one"
            )
        seen[argo_name] = name
