"""What the sandbox's guards cost when a job starts, beside bubblewrap alone with the same folders.

    python bench/sandbox.py [ROUNDS]

Both run `true` below the supervisor, in turn.
The goal: at most 50 ms more.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from argo.local import sandbox
from argo.local.machine import Part
from argo.local.process import supervised
from argo.local.runtime import Access, Task
from argo.local.sandbox import Sandbox

ALONE = (
    "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--proc", "/proc", "--dev", "/dev",
    "--ro-bind", "/sys", "/sys",
)  # fmt: skip


def plain_bubblewrap() -> list[str]:
    """The same folders without ids, filter and limits."""
    words = [str(sandbox._bwrap()), *ALONE]
    for part in sandbox._machine():
        if not isinstance(part, Part):
            words += part
        elif part.mount.access is Access.PRIVATE:
            words += ["--overlay-src", str(part.mount.source), "--tmp-overlay", part.mount.target]
        else:
            words += ["--ro-bind", str(part.mount.source), part.mount.target]
    return [*words, "--", *supervised(["true"])]


def took(command: Sequence[str], environment: Mapping[str, str] | None) -> float:
    """Milliseconds from the start of the process to its end."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        if process.wait():
            raise SystemExit(f"status {process.returncode}: {' '.join(command)}")
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Print the two medians, their spread and the difference."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    start = time.perf_counter()
    Sandbox().check()
    print(f"{'check, once a run':20}{(time.perf_counter() - start) * 1000:6.0f} ms")
    task = Task("bench", "none", ("true",), (), {}, frozenset(), [])
    both = {"bubblewrap alone": (plain_bubblewrap(), None), "sandbox": Sandbox().build_command(task)}
    times: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(rounds):
        for name, (command, environment) in both.items():
            times[name].append(took(command, environment))
    print(f"{'':20}{'median':>9}{'fastest':>9}{'slowest':>9}")
    for name, each in times.items():
        print(f"{name:20}{statistics.median(each):6.0f} ms{min(each):6.0f} ms{max(each):6.0f} ms")
    for summary in (statistics.median, min):
        more = summary(times["sandbox"]) - summary(times["bubblewrap alone"])
        print(f"{'difference':20}{more:6.0f} ms ({summary.__name__})    goal: at most 50")


if __name__ == "__main__":
    main()
