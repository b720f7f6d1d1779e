"""A push runs a workflow file once, however many pollers see it and however often.

remote_repository: branches and files → push: what runs → push_workflow: a Workflow that waits → push_record:
the record that names it, for good → the Workflow starts → commit_status, git_hosts: the commit shows it.
poll does all of this; events says which files can't run.
"""

from argo.trigger.poll import Poller

__all__ = ["Poller"]
