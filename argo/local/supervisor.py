"""Runs a command that must not outlive whoever started it.

    python leash.py N RELEASE-1 ... RELEASE-N COMMAND...

Standard input is the leash: when it ends, because it was closed or because its holder is dead, the
command's process group gets SIGTERM, after GRACE seconds SIGKILL, and the N words of RELEASE are run
as a command (for what is no child of ours: a container of a daemon). Nothing of the group is left
when this ends. The exit status is the command's, as a shell has it.

Run by its path, without the rest of this package: it starts in a few milliseconds.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE = 5.0


def main(argv: list[str]) -> int:
    """Run the command on a leash; the exit status."""
    count = int(argv[0])
    release, command = argv[1 : 1 + count], argv[1 + count :]
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        return 127
    cut = threading.Event()
    holder = threading.Thread(target=_hold, args=(child, release, cut), daemon=True)
    holder.start()
    status = child.wait()
    _signal(child, signal.SIGKILL)
    if cut.is_set():
        holder.join()
    return status if status >= 0 else 128 - status


def _hold(child: "subprocess.Popen[bytes]", release: list[str], cut: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1 << 10):
        pass
    cut.set()
    _signal(child, signal.SIGTERM)
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        _signal(child, signal.SIGKILL)
    if release:
        subprocess.run(release, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def _signal(child: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM of a group of zombies
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
