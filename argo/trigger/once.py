"""A push that CI submits: the Workflow that a poller would create, started at once and without a record.

The API server refuses a second one of its name, whoever creates it, as long as the first is kept.
"""

from argo.cluster.api import Api, Object
from argo.cluster.submit import Submission
from argo.trigger import push_workflow
from argo.trigger.push import Push
from job.checkout.git import is_commit
from job.errors import ClusterError, InputError


def submit_once(api: Api, submission: Submission) -> Object:
    """The run of the submission's commit, this one or the one that was there.

    Raises InputError for what is no commit of a repository with a remote, and ClusterError.
    """
    origin, trigger = submission.origin, submission.workflow.trigger
    if not origin.url or not is_commit(origin.ref):
        raise InputError(
            f"{submission.workflow.path}: --once runs a commit of a repository that has a remote, "
            "and the file is in none"
        )
    branch = next(iter(trigger.branches), "") if trigger else ""
    push = Push(origin.url, branch, origin.ref, origin.file)
    found = push_workflow.create_workflow(
        api, push_workflow.name_after_push(submission.made, push, push_workflow.STARTED)
    )
    if found is None:
        raise ClusterError(f"Workflow {push.run} comes and goes: is somebody deleting it?")
    return found
