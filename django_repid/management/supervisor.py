"""Several worker processes under one supervisor: `repid_worker --processes`."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time

from django.utils import autoreload

from django_repid.management import lifeline
from django_repid.management.serving import CHANGED, DONE, USAGE
from django_repid.worker.signals import REPEAT_SECONDS

logger = logging.getLogger("django_repid.worker")

#: How long to wait before a process that crashed starts again.
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
#: A process that lived this long had nothing wrong at its start.
_STEADY_SECONDS = 60.0
#: After the grace: the 2 s in which a worker comes to its end, and one for Python's own end.
_LAST_SECONDS = 3.0
#: A process that was told to end ended well: by itself, for a reload, or by a signal that came
#: before it took any job, or after the last one.
_ENDED_WELL = (0, DONE, CHANGED, -signal.SIGTERM, -signal.SIGINT)


class Pauses:
    """How long to wait before the next start of one process: longer with each crash."""

    def __init__(self) -> None:
        self._next = _FIRST_PAUSE_SECONDS

    def after(self, lived: float) -> float:
        """Return the seconds to wait after the crash of a process that lived so many seconds."""
        pause = _FIRST_PAUSE_SECONDS if lived >= _STEADY_SECONDS else self._next
        self._next = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        return pause


class Supervisor:
    """Runs this command in several processes, and one that crashes anew."""

    def __init__(self, processes: int, *, grace: float, reloads: bool) -> None:
        """Describe the processes.

        Args:
            processes: how many.
            grace: seconds that their running jobs have after a signal.
            reloads: whether they end to be started anew when the code changes.

        """
        self._processes = processes
        self._grace = grace
        self._reloads = reloads
        self._children: dict[int, _Child] = {}
        self._stop = asyncio.Event()
        self._signalled_at = float("-inf")
        self._code = 0

    async def run(self) -> int:
        """Run until all processes have ended by themselves or after a signal; return the code."""
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, self._signalled, one)
        await asyncio.gather(*map(self._keep, range(1, self._processes + 1)))
        return self._code

    async def _keep(self, number: int) -> None:
        """Have one process run until it has nothing more to do, or all of them end."""
        pauses = Pauses()
        at_first = True
        while not self._stop.is_set():
            started = time.monotonic()
            code, how = await self._live(number)
            if self._is_over(code, how, at_first=at_first):
                return
            at_first = False
            if code != CHANGED or not self._reloads:
                pause = pauses.after(time.monotonic() - started)
                logger.error("%s; it starts again in %g s.", how, pause)
                await self._sleep(pause)

    async def _live(self, number: int) -> tuple[int | None, str]:
        """Run one process to its end; return its exit code, and a text about its end."""
        try:
            child = await _Child.start(number, reloads=self._reloads)
        except OSError as error:  # no memory, or an environment that is being installed anew
            return None, f"Worker process {number} could not be started ({error})"
        self._children[number] = child
        if self._stop.is_set():
            child.tell()
        code = await child.wait()
        del self._children[number]
        if code < 0:
            return code, f"{child} was killed by signal {-code} ({signal.strsignal(-code)})"
        return code, f"{child} ended with code {code}"

    def _is_over(self, code: int | None, how: str, *, at_first: bool) -> bool:
        """Whether a process that ended so is not started again."""
        if self._stop.is_set():
            if code not in _ENDED_WELL:
                logger.error("%s.", how)
                self._code = self._code or 1
            return True
        if code == USAGE and at_first:
            # It would be the same with the next start, and with the other processes.
            logger.error("%s; all processes end.", how)
            self._code = USAGE
            self._end()
            return True
        return code == DONE

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    def _signalled(self, one: signal.Signals) -> None:
        now = time.monotonic()
        if now - self._signalled_at < REPEAT_SECONDS:
            return  # the same wish, as in the workers
        self._signalled_at = now
        logger.info("%s: passed on to all worker processes (%d).", one.name, len(self._children))
        self._end()

    def _end(self) -> None:
        """End all processes: once gracefully, the second time at once."""
        grace = 0.0 if self._stop.is_set() else self._grace
        self._stop.set()
        for child in self._children.values():
            child.tell()
        asyncio.get_running_loop().call_later(grace + _LAST_SECONDS, self._kill)

    def _kill(self) -> None:
        for child in self._children.values():
            logger.warning("%s did not end in time: it is killed.", child)
            child.kill()


class _Child:
    """A worker process, and our end of its lifeline."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, pipe: int) -> None:
        self._number = number
        self._process = process
        self._pipe = pipe

    def __str__(self) -> str:
        return f"Worker process {self._number} (pid {self._process.pid})"

    @classmethod
    async def start(cls, number: int, *, reloads: bool) -> "_Child":
        """Start this program once more: a fork would share connections, threads and locks."""
        environment = {**os.environ, lifeline.NUMBER: str(number)}
        if reloads:
            environment[autoreload.DJANGO_AUTORELOAD_ENV] = "true"
        theirs, ours = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *sys.orig_argv[1:],
                env=environment,
                stdin=theirs,
                # Ctrl-C in a terminal comes to the supervisor only, which passes it on: one wish.
                process_group=0,
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        return cls(number, process, ours)

    async def wait(self) -> int:
        code = await self._process.wait()
        os.close(self._pipe)
        return code

    def tell(self) -> None:
        """Ask it to end. SIGTERM whatever came: before it is ready, SIGINT is a traceback."""
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself, here and below
            os.write(self._pipe, lifeline.TOLD)
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
