"""Names as Kubernetes and Argo take them, made from names that a file has."""

import hashlib
import re
from collections.abc import Iterable

from job.errors import InputError

_LONGEST_NAME = 52  # of a CronWorkflow; Argo adds 11 to make a run's name


def task(name: str) -> str:
    """A job's name in Argo's alphabet: letters, digits and dashes."""
    return name.replace("_", "-").lstrip("-") or "job"


def template(name: str) -> str:
    """The template of a job: part of its pods' names, so in lower case."""
    return task(name).lower()


def parameter(name: str) -> str:
    """A workflow input's name as a parameter."""
    return name.replace(".", "-")


def resource(stem: str) -> str:
    """A name for the workflow, from its file's; a digest keeps long ones apart."""
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 9].rstrip('-')}-{_digest(stem)}"
    return name or "workflow"


def label(text: str) -> str:
    """A text as a label's value, or the name of its key: at most 63 letters, digits, `-`, `_` and `.`.

    Where something is lost, a digest keeps two such texts apart.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")
    if safe == text and len(safe) <= 63:
        return safe
    return f"{safe[:54].rstrip('._-')}-{_digest(text)}".lstrip("-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def unique(names: Iterable[tuple[str, str, str]], what: str) -> None:
    """Check (name, mapped name, where) for two that have become one.

    Raises InputError at the second.
    """
    seen: dict[str, str] = {}
    for name, mapped, where in names:
        if mapped in seen:
            raise InputError(
                f"{where}: {what} {name!r} and {seen[mapped]!r} are both {mapped!r} for Argo; rename one"
            )
        seen[mapped] = name
