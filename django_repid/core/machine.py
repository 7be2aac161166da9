"""What this process may use of the machine."""

import math
import os
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cpus() -> int:
    """Return how many CPUs this process may use: of those it may run on, what its container has."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        count = os.cpu_count() or 1
    return max(1, min(count, _quota()))


def _quota() -> int:
    """Return the CPUs of a container's quota, rounded up; no limit looks like very many."""
    try:
        quota, period = _CGROUP_QUOTA.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup of version 2, or "max"
        return 1_000_000
