"""A push runs a workflow file once, whoever sees the push and however often.

branches and files of a repository (repository) → what runs (push) → a Workflow that waits (run) → the
record that names it, for good (record) → the Workflow starts → its commit's status (status, hosts)
"""

from argo.trigger.poll import Poller

__all__ = ["Poller"]
