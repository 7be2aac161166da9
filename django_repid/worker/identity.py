"""Who a worker is, and whether the operating system says that another one lives."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path

from django_repid.core.claims import WorkerInfo


def describe(
    *,
    name: str | None,
    queues: Sequence[str],
    topics: Sequence[str],
    version: str,
    schedules: Sequence[str] = (),
) -> WorkerInfo:
    """Return what this process tells others about itself; `name` None makes one up."""
    host = socket.gethostname()
    pid = os.getpid()
    return WorkerInfo(
        name=name or f"{host}-{pid}",
        host=host,
        boot_id=_boot_id(),
        pid=pid,
        pid_started=_started(pid) or "",
        queues=sorted(queues),
        topics=sorted(topics),
        version=version,
        schedules=schedules,
    )


def lives(info: WorkerInfo) -> bool | None:
    """Whether a worker's process is there; None if that cannot be told from here.

    Only for the same boot of the same host. A process id is given out again, so the time at which
    the process started counts too.
    """
    known = info.boot_id and info.pid_started
    if not known or info.host != socket.gethostname() or info.boot_id != _boot_id():
        return None
    return _started(info.pid) == info.pid_started


def _boot_id() -> str:
    """Name this boot and this namespace of process ids: containers may share a host's name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # no Linux
        return ""


def _started(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks since boot; None if it is not there.

    A zombie has ended: only its parent has not noticed.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in parentheses, and may hold anything.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
