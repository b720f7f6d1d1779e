"""Runs, datasets and texts as pages in a browser: on a server of this machine, or as one file."""
