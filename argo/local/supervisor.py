"""Runs a command that must not outlive the process that started it.

    python supervisor.py N CLEANUP-1 ... CLEANUP-N COMMAND...

When standard input ends, because the parent closed it or died, the command's process group gets
SIGTERM, after GRACE seconds SIGKILL, and the N words of CLEANUP are run as a command (for what is no
child process: a container of a daemon). No process of the group is left when this ends. The exit
status is the command's, as a shell has it.

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
    """Run the command until it ends or standard input does; the exit status."""
    count = int(argv[0])
    cleanup, command = argv[1 : 1 + count], argv[1 + count :]
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        return 127
    stopping = threading.Event()
    watcher = threading.Thread(target=_stop_at_end_of_input, args=(child, cleanup, stopping), daemon=True)
    watcher.start()
    status = child.wait()
    _signal_group(child, signal.SIGKILL)
    if stopping.is_set():
        watcher.join()
    return status if status >= 0 else 128 - status


def _stop_at_end_of_input(
    child: "subprocess.Popen[bytes]", cleanup: list[str], stopping: threading.Event
) -> None:
    while os.read(sys.stdin.fileno(), 1 << 10):
        pass
    stopping.set()
    _signal_group(child, signal.SIGTERM)
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        _signal_group(child, signal.SIGKILL)
    if cleanup:
        subprocess.run(cleanup, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def _signal_group(child: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM of a group of zombies
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
