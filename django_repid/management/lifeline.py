"""How a worker process knows that its supervisor lives: a pipe that closes when it does not."""

import logging
import os
import signal
import threading

logger = logging.getLogger("django_repid.worker")

#: In the environment of a worker process: its number among those of its supervisor.
NUMBER = "DJANGO_REPID_PROCESS"
#: What a supervisor writes before it ends a process: from then on its own end tells nothing new.
TOLD = b"."


def hold() -> int | None:
    """Watch the supervisor from now on; return this process's number, or None without one.

    The pipe is the standard input, which every platform hands down. It makes room for nothing at
    all, so that a program which an actor starts does not wait for something to read.
    """
    number = os.environ.pop(NUMBER, None)  # a worker that an actor starts has no supervisor
    if number is None:
        return None
    # The supervisor makes a SIGTERM of what it gets. Another signal is the same wish once more.
    signal.signal(signal.SIGINT, lambda *_: None)
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_watch, args=(pipe,), name="repid-lifeline", daemon=True).start()
    return int(number)


def _watch(pipe: int) -> None:
    with open(pipe, "rb") as stream:
        told = stream.read()  # until the pipe closes
    if not told:
        logger.warning("The supervisor of this worker is gone.")
        os.kill(os.getpid(), signal.SIGTERM)
