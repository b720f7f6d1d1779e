"""Runs workflows on this machine, with the /inputs and /outputs they would have on a cluster."""
