"""How many processors there are to compute with."""

import os


def count_processors() -> int:
    """Those that this process may use, or where the system does not tell (macOS), all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
