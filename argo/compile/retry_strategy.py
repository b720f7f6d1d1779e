"""When Argo makes a job's pod again: if its node was lost, and not if the job failed by itself."""

# Of a pod that is deleted, Argo may see first that its containers were told to end (SIGTERM); a job that
# ends so by itself has 64 from `commit`. An API server that has just started refuses Argo's executor what it
# allows a second later.
_NODE_LOST = (
    "imminent node shutdown|pod deleted|[Pp]reempt|low on resource|[Nn]ode.?[Ll]ost|Pod was rejected"
    "|^[a-z]+: Error [(]exit code 143[)]|^wait: .* is forbidden: User "
)

RETRY_STRATEGY = {
    "limit": 4,
    "retryPolicy": "Always",
    "expression": f"lastRetry.message matches '{_NODE_LOST}'",
    "backoff": {"duration": "10s", "factor": 2, "maxDuration": "15m"},
}
