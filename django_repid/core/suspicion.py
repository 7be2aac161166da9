"""How the one job that kills workers is found among the many that do not.

When a worker dies, everything it ran comes under suspicion, and every crash after that raises the
level. A suspect runs beside fewer others the higher its level is, so that each crash narrows the
circle; at the last level it runs in a process of its own, one at a time. Only what kills that
process, while the worker beside it lives, counts against a job: deploys, power cuts and the memory
of others take the worker too, however often, and so never add up to anything. An attempt that ends
in any way, also by an error, clears its job.
"""

#: The level from which on a job runs in a process of its own.
ISOLATED = 3
#: The level at which a job is put aside: it has killed the process that ran it alone three times.
#: Once would do, but for an operating system that frees memory by killing the wrong process.
CONVICTED = 6

#: How many suspects of a level a worker runs at once. With a thousand jobs in flight the circle is
#: 1000, 100, 10, 1: three crashes.
AT_ONCE = {1: 100, 2: 10}
#: The level that a crash raises to at least, by how many jobs were in flight.
_FLOORS = ((1, ISOLATED), (AT_ONCE[2], 2))


def floor_after_crash(in_flight: int) -> int:
    """Return the level that every job of a dead worker has at least: few are narrowed down soon."""
    return next((level for most, level in _FLOORS if in_flight <= most), 1)


def after_crash(level: int, in_flight: int) -> int:
    """Return the level of a job whose worker died with so many in flight."""
    if level >= ISOLATED:
        return level  # its own process is what it is judged by from now on
    return min(max(level + 1, floor_after_crash(in_flight)), ISOLATED)
