"""Runs a command that must not outlive the process that started it.

    python supervisor.py N CLEANUP-1 ... CLEANUP-N COMMAND...

When standard input ends, because the parent closed it or died, the command's process group gets
SIGTERM, after GRACE seconds SIGKILL, and the N words of CLEANUP are run as a command (for what is no
child process: a container of a daemon). No process of the group is left when this ends. The exit
status is the command's, as a shell has it.

In the sandbox this is process 1: the kernel ends all other processes there before it has ended. No job can
trace it, reach its memory or stop it, as it is not dumpable and handles no signal. The command's variables
are called JOB_NAME then: the dynamic linker of process 1 must not see them.

Run by its path, without the rest of this package: it starts in a few milliseconds.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE = 5.0
VARIABLE = "JOB_"

_PR_SET_DUMPABLE = 4


def main(argv: list[str]) -> int:
    """Run the command until it ends or standard input does; the exit status."""
    count = int(argv[0])
    cleanup, command = argv[1 : 1 + count], argv[1 + count :]
    env = _become_init() if os.getpid() == 1 else None
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env, process_group=0)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        return 127
    stopping, ended = threading.Event(), threading.Event()
    watcher = threading.Thread(
        target=_stop_at_end_of_input, args=(child, cleanup, stopping, ended), daemon=True
    )
    watcher.start()
    status = _wait(child)
    ended.set()
    _signal_group(child, signal.SIGKILL)
    if stopping.is_set():
        watcher.join()
    return status if status >= 0 else 128 - status


def _become_init() -> dict[bytes, bytes]:
    """The command's variables, once this process is safe from the others of its namespace."""
    import ctypes

    if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        sys.exit("prctl: PR_SET_DUMPABLE")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    prefix = VARIABLE.encode()
    return {
        name.removeprefix(prefix): value for name, value in os.environb.items() if name.startswith(prefix)
    }


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """The child's status. Process 1 also has to wait for orphans of its namespace."""
    while True:
        pid, status = os.waitpid(-1 if os.getpid() == 1 else child.pid, 0)
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode


def _stop_at_end_of_input(
    child: "subprocess.Popen[bytes]",
    cleanup: list[str],
    stopping: threading.Event,
    ended: threading.Event,
) -> None:
    while os.read(sys.stdin.fileno(), 1 << 10):
        pass
    stopping.set()
    _signal_group(child, signal.SIGTERM)
    if not ended.wait(GRACE):
        _signal_group(child, signal.SIGKILL)
    if cleanup:
        subprocess.run(cleanup, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def _signal_group(child: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM of a group of zombies
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
