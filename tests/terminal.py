"""A command on a terminal of its own."""

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_on_terminal(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """What the command and its pager print on the terminal; line ends as they are elsewhere."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, "TERM": "xterm", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        printed = b""
        try:
            while chunk := os.read(ours, 1 << 16):
                printed += chunk
        except OSError:  # the end, on Linux
            pass
        os.close(ours)
    assert process.returncode == 0, printed
    return printed.decode().replace("\r\n", "\n")
