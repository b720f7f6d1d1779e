"""Runs on a cluster, through the Kubernetes API alone: no argo-server and no server of textgen's.

connection → api: requests and their errors · objects: types of what is read · backoff: pauses between
requests · infinite_watch: a collection as it changes · workflow_status: a Workflow as a run of argo.runs
· pods: why a job waits or failed · follow_run: a run and its pods until it ends · container_logs,
stored_logs, archived_logs, run_logs: what the jobs print · namespace_store: the store, opened from here
· submit, stop_and_retry · secrets: the values of secret:NAME · preflight: what can't work, found before the
run is created
"""
