"""Names as Kubernetes and Argo take them, made from names that a file has."""

import hashlib
import re
from collections.abc import Iterable, Iterator

_SECRET_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")
_LONGEST_NAME = 52  # of a CronWorkflow; Argo adds 11 to make a run's name


def task_name(job: str) -> str:
    """A job's name as Argo takes it beside `depends`: letters, digits and dashes, first a letter."""
    name = job.replace("_", "-").lstrip("-")
    return name if name[:1].isalpha() else f"job-{name}".rstrip("-")


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


def is_secret_key(name: str) -> bool:
    """Whether a Secret can hold a value under this name."""
    return bool(_SECRET_KEY.fullmatch(name)) and name not in {".", ".."} and not name.startswith("..")


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


def find_clashes(names: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Of (name, name for Argo): each name after the first with its name for Argo, that first one, and it."""
    seen: dict[str, str] = {}
    for name, argo_name in names:
        if argo_name in seen:
            yield name, seen[argo_name], argo_name
        else:
            seen[argo_name] = name
