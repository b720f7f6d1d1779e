"""Files and jobs written for another system: one clear error in place of fifty."""

from argo.language.field import Field
from argo.language.model import Position
from argo.language.nodes import Mapping, Node, Scalar
from job.text import listed, quoted

_ACTIONS_KEYS = ("steps", "runs-on")
_START = "write jobs: {NAME: {uses: script@v1, with: {image: ..., script: ...}}}"


# The message, the hint, the position and the key.
_Problem = tuple[str, str, Position, str]


def report_not_a_workflow(root: Field) -> bool:
    """Whether the file is no Gradient workflow at all; if so, one error says why."""
    problem = _find_problem(root.node)
    if problem is not None:
        message, hint, at, key = problem
        root.findings.add("not-a-workflow", at, key, message, hint)
    return problem is not None


def _find_problem(root: Node) -> _Problem | None:
    if isinstance(root, Scalar) and not root.text.strip():
        return "the file is empty", _START, root.at, ""
    if not isinstance(root, Mapping):
        return "a workflow is a mapping with the key 'jobs'", _START, root.at, ""
    if "jobs" not in root.values:
        return _problem_without_jobs(root)
    return _problem_of_jobs(root.values["jobs"], root.keys["jobs"].at)


def _problem_of_jobs(jobs: Node, at: Position) -> _Problem | None:
    if not isinstance(jobs, Mapping) or not jobs.values:
        empty = isinstance(jobs, Mapping) or (isinstance(jobs, Scalar) and jobs.null)
        return "has no jobs" if empty else "must be a mapping from job names to jobs", _START, at, "jobs"
    if isinstance(jobs.values.get("uses"), Scalar):
        message = "'uses' is next to the jobs, not in a job"
        return message, "indent it under its job", jobs.keys["uses"].at, "jobs"
    for name, job in jobs.values.items():
        if isinstance(job, Mapping) and "uses" not in job.values:
            for key in _ACTIONS_KEYS:
                if key in job.values:
                    hint = "a job here is one action: uses: script@v1, with: {image: ..., script: ...}"
                    message = f"{quoted(key)} is GitHub Actions, not Gradient"
                    return message, hint, job.keys[key].at, f"jobs.{name}"
    return None


def _problem_without_jobs(root: Mapping) -> _Problem:
    keys = list(root.values)
    at = root.keys[keys[0]].at if keys else root.at
    if "uses" in keys or ("outputs" in keys and {"inputs", "outputs"} >= set(keys)):
        return "this is one job without the key 'jobs'", "indent it under jobs: NAME:", at, ""
    if "kind" in keys and "apiVersion" in keys:
        hint = "give it to kubectl or argo as it is"
        return "this is a Kubernetes object, not a Gradient workflow", hint, at, ""
    if any(isinstance(value, Mapping) and "uses" in value.values for value in root.values.values()):
        return "these are jobs without the key 'jobs'", "indent them under jobs:", at, ""
    similar = next((key for key in keys if key.casefold() in ("job", "jobs")), None)
    hint = f"write jobs, not {quoted(similar)}" if similar else _START
    others = f"; the file has {listed(quoted(key) for key in keys)}" if keys else ""
    return f"the key 'jobs' is missing{others}", hint, at, ""
