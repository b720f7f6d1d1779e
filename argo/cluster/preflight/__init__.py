"""What can't work on a cluster, said before it is tried: all of it at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from argo.cluster.api import Api, ApiError
from argo.cluster.preflight import nodes, references, rights, source, store
from argo.cluster.preflight.problem import Problem
from argo.cluster.submit import Submission
from job.errors import InputError

__all__ = ["Problem", "RefusedError", "problems", "refuse"]


class RefusedError(InputError):
    """The workflow can't run on the cluster; one line for each reason."""


def refuse(api: Api, found: list[Problem]) -> None:
    """Raise RefusedError where one of the problems is certain."""
    certain = [each.message for each in found if each.certain]
    if len(certain) == 1:
        raise RefusedError(f"can't run on {api}: {certain[0]}")
    if certain:
        raise RefusedError("\n  ".join([f"can't run on {api}, for {len(certain)} reasons:", *certain]))


def problems(api: Api, submission: Submission) -> list[Problem]:
    """What is wrong with running this in the namespace.

    What this user may not look at is left to the run. Raises UnreachableError.
    """
    if found := list(rights.installed(api)):
        return found  # nothing else makes sense
    workflow, made = submission.workflow, submission.made
    checks: list[Callable[[], Iterator[Problem]]] = [
        lambda: rights.allowed(api),
        lambda: references.missing(api, workflow, made),
        lambda: nodes.lacking(api, made),
        lambda: store.troubles(api, workflow, submission.values),
        lambda: source.differs(workflow, made),
    ]
    with ThreadPoolExecutor(len(checks)) as pool:
        return [problem for each in pool.map(_seen, checks) for problem in each]


def _seen(check: Callable[[], Iterator[Problem]]) -> list[Problem]:
    """All that the check finds until the cluster refuses to show it more."""
    found: list[Problem] = []
    try:
        for problem in check():
            found.append(problem)
    except ApiError as error:
        if error.status not in {401, 403}:
            raise
    return found
