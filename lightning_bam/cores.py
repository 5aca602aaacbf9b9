"""How many CPU cores there are to work with."""

import os
from pathlib import Path


def cores() -> int:
    """Return how many CPU cores this process may use: those it is bound to, less what its cgroup's quota withholds."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(bound, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup, or no quota ("max")
        return bound
