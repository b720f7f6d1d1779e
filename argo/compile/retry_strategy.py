"""When Argo makes a job's pod again: if its node was lost, and not if the job failed by itself."""

# Of a pod that is deleted, Argo may see first that its containers were told to end (SIGTERM); a job that
# ends so by itself has 64 from `commit`, if it has one. An API server that has just started refuses Argo's
# executor what it allows a second later.
_NODE_LOST = (
    "imminent node shutdown|pod deleted|[Pp]reempt|low on resource|[Nn]ode.?[Ll]ost|Pod was rejected"
    "|^[a-z]+: Error [(]exit code 143[)]|^wait: .* is forbidden: User "
)

# A shard goes on where it was, so more of its pods may be lost, and it may have been out of memory. Argo may
# say so of the container that depends on the one that was killed.
_SHARD_LOST = f"{_NODE_LOST}|OOMKilled|code:? 137"

# Without a maxDuration: Argo counts it from the start of the first pod. It would neither try a job again that
# has worked for longer, nor let its new pod do so.
RETRY_STRATEGY = {
    "limit": 4,
    "retryPolicy": "Always",
    "expression": f"lastRetry.message matches '{_NODE_LOST}'",
    "backoff": {"duration": "10s", "factor": 2},
}
SHARD_RETRY_STRATEGY = {
    "limit": 20,
    "retryPolicy": "Always",
    "expression": f"lastRetry.message matches '{_SHARD_LOST}'",
    "backoff": {"duration": "20s"},
}
