"""What the process of a cell owes to the operating system: it dies with its worker; its memory."""

import os
import resource
import select
import signal
import sys
import threading
from pathlib import Path

if sys.platform == "linux":
    import fcntl

_LOOK_SECONDS = 1.0


def die_with(lifeline: int, worker: int) -> None:
    """End this process, and what it has started, once its worker is gone.

    `lifeline`: a pipe that closes with the worker. By then somebody else runs this job.
    """
    os.set_inheritable(lifeline, False)
    if sys.platform == "linux":
        # The system itself kills the group when the pipe closes. A thread could not, as long as
        # C code of the job's holds the GIL; and unlike PR_SET_PDEATHSIG it does not follow the
        # thread that started this process.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    arguments = (lifeline, worker)
    threading.Thread(target=_follow, args=arguments, name="repid-lifeline", daemon=True).start()


def _follow(lifeline: int, worker: int) -> None:
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    # A fork of the worker may hold its end of the pipe open; so its id is looked at besides.
    while not poll.poll(_LOOK_SECONDS * 1000) and os.getppid() == worker:
        pass
    os.killpg(0, signal.SIGKILL)


def resident_memory() -> int:
    """Return the bytes of memory that this process holds; where there is no /proc, its most."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * resource.getpagesize()
