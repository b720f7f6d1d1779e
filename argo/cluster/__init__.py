"""Runs on a cluster: submitted, watched, read, stopped and retried through the Kubernetes API.

connection → api: requests and their errors · watch: what the API server holds, as it changes ·
run: a Workflow as a run of argo.runs · follow: a run and its pods until it ends ·
pods: why a job waits or failed · logs, archive, tail: what the jobs print · control: stopping and starting
again · preflight: what can't work, before it is tried. No server of ours or Argo's is needed.
"""
