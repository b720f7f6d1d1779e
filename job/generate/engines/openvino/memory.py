"""How much memory this process can still use."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# A control group's limit, what it uses, and what of that the kernel takes back: by its version.
_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
    2: ("memory.max", "memory.current", ("inactive_file", "active_file")),
}


def free_memory(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that are free on the machine, or in the fullest of the process's control groups.

    The files that the kernel keeps in memory count as free: it drops them. Swap does not count.
    """
    return min([_free_of_machine(proc), *_free_of_groups(proc, cgroups)])


def _free_of_machine(proc: Path) -> int:
    with suppress(OSError, ValueError, StopIteration):
        lines = (proc / "meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # macOS tells no more


def _free_of_groups(proc: Path, cgroups: Path) -> Iterator[int]:
    """What is free in each group of the process that has a limit: its own, and those around it."""
    with suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            version, root = (1, cgroups / "memory") if controllers else (2, cgroups)
            # In a container the path may be one of the machine, and not be there: its own group is the root.
            inside = Path(path.strip("/"))
            for folder in (inside, *inside.parents):
                with suppress(OSError, ValueError, KeyError):  # "max" means no limit
                    yield _free_of_group(root / folder, version)


def _free_of_group(folder: Path, version: int) -> int:
    limit, used, reclaimable = _FILES[version]
    free = int((folder / limit).read_text())
    stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return free - int((folder / used).read_text()) + sum(int(stat[name]) for name in reclaimable)
