"""`python -m argo` is `textgen`."""

from argo.cli import main

main()
