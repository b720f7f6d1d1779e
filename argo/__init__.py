"""What turns a workflow file into a run: language, local, and the `textgen` command. Never imports torch."""
