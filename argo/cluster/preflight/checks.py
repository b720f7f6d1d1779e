"""All checks of a submission, run side by side."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from argo.cluster.api import Api, ApiError
from argo.cluster.preflight import Problem, checkouts, missing_objects, nodes, permissions, store
from argo.cluster.submit import Submission
from job.errors import InputError


class RefusedError(InputError):
    """The workflow can't run on the cluster; one line for each reason."""


def raise_certain(api: Api, problems: Iterable[Problem]) -> None:
    """Raise RefusedError if one of the problems is certain."""
    reasons = [problem.message for problem in problems if problem.certain]
    if len(reasons) == 1:
        raise RefusedError(f"can't run on {api}: {reasons[0]}")
    if reasons:
        raise RefusedError("\n  ".join([f"can't run on {api}, for {len(reasons)} reasons:", *reasons]))


def find_problems(api: Api, submission: Submission) -> list[Problem]:
    """What would keep the submission from running in the namespace.

    A check ends where this user has no right to look. Raises UnreachableError.
    """
    if problems := list(permissions.check_argo_installed(api)):
        return problems  # nothing else makes sense
    workflow, manifest = submission.workflow, submission.manifest
    checks: list[Callable[[], Iterator[Problem]]] = [
        lambda: permissions.check_kubernetes_version(api),
        lambda: permissions.check_permissions(api),
        lambda: missing_objects.check_references(api, workflow, manifest),
        lambda: nodes.check_nodes(api, manifest),
        lambda: store.check_store(api, workflow, submission.values),
        lambda: checkouts.check_checkouts(workflow, manifest),
    ]
    with ThreadPoolExecutor(len(checks)) as pool:
        return [problem for problems in pool.map(_run_check, checks) for problem in problems]


def _run_check(check: Callable[[], Iterator[Problem]]) -> list[Problem]:
    """The check's problems, up to the first thing that this user may not see."""
    problems: list[Problem] = []
    try:
        for problem in check():
            problems.append(problem)
    except ApiError as error:
        if error.status not in {401, 403}:
            raise
    return problems
