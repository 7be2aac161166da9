"""The process of a cell as its worker sees it, and the pipes to it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from django_repid.core.errors import RepidError
from django_repid.core.host import host

#: How often a job that runs there is looked after: its timeout, a wish to stop it.
LOOK_SECONDS = 0.1
#: How long a process may take to say that it is still there.
_ANSWER_SECONDS = 5.0
#: How long one that is to end may take to close its database connections.
_LEAVE_SECONDS = 0.5
#: `-m` would look in the current folder first, which others may be able to write to.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from django_repid.worker.cell_child import main; main()"
)


class ProcessDied(RepidError):
    """The process that ran a job, and only this one, has died."""


class Child:
    """The process, and the pipes to it. It leads a group of its own: its children go with it.

    `modules`: what it imports before it is ready, so that no job's timeout pays for that. `ran`:
    how many jobs it has run. `memory`: the bytes that it held after the last one.
    """

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self.ran = 0
        self.memory = 0
        self._buffer = b""
        # Closes with this process, however that ends, and carries nothing else.
        theirs, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                pass_fds=[theirs],
                process_group=0,
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(theirs)
        assert self._process.stdin is not None  # noqa: S101 - it was asked for, and below
        assert self._process.stdout is not None  # noqa: S101 - as above
        self._in, self._out = self._process.stdin, self._process.stdout
        os.set_blocking(self._in.fileno(), False)
        self._setup = {
            "setup": host().child_setup,
            "modules": sorted(modules),
            "lifeline": theirs,
            "worker": os.getpid(),
        }

    def begin(self, deadline: float, check: Callable[[], None]) -> None:
        """Wait until it has imported the project; see `ask` for what may be raised."""
        self.ask(self._setup, deadline, check)

    def answers(self, check: Callable[[], None]) -> bool:
        """Whether it is there: what has died meanwhile must not be blamed on the next job."""
        try:
            self.ask({}, time.monotonic() + _ANSWER_SECONDS, check)
        except (ProcessDied, TimeoutError):
            return False
        return True

    def ask(
        self, what: dict[str, Any], deadline: float, check: Callable[[], None]
    ) -> dict[str, Any]:
        """Send it something and return its answer; `check` is called now and then, and may raise.

        Raises:
            ProcessDied: it ended instead.
            TimeoutError: `deadline`, in monotonic seconds, has passed.

        """
        left = memoryview(json.dumps(what).encode() + b"\n")
        while left:
            if self._wait([], [self._in], deadline, check)[1]:
                try:
                    left = left[os.write(self._in.fileno(), left) :]
                except BrokenPipeError:
                    raise self._death() from None
        while b"\n" not in self._buffer:
            if self._wait([self._out], [], deadline, check)[0]:
                some = os.read(self._out.fileno(), 65536)
                if not some:
                    raise self._death()
                self._buffer += some
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:  # a job wrote to file descriptors that are none of its own
            self.end()
            raise ProcessDied("the process sent what is no answer") from None
        self.memory = answer.get("memory", self.memory)
        return answer

    def _wait(
        self, read: list[Any], write: list[Any], deadline: float, check: Callable[[], None]
    ) -> tuple[list[Any], list[Any]]:
        """Wait for a pipe for a moment; return those that are ready."""
        check()
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        # Not select(): it cannot see file descriptors from 1024 on.
        poll = select.poll()
        for one in read:
            poll.register(one, select.POLLIN)
        for one in write:
            poll.register(one, select.POLLOUT)
        if poll.poll(min(left, LOOK_SECONDS) * 1000):
            return read, write
        if self._has_ended():  # a grandchild may hold the pipes open
            raise self._death()
        return [], []

    def _has_ended(self) -> bool:
        """Whether it has ended; leaves it unburied, so that its id still means its group."""
        if self._process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        try:
            how = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self._process.pid, how) is not None
        except ChildProcessError:  # somebody else has buried it
            return self._process.poll() is not None

    def _ends_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not (ended := self._has_ended()) and time.monotonic() < end:
            time.sleep(0.005)
        return ended

    def _death(self) -> ProcessDied:
        ended = self._ends_within(1.0)
        self.end()
        code = self._process.returncode
        if not ended:
            return ProcessDied("the process stopped talking to its worker")
        if code < 0:
            return ProcessDied(f"the process died of {signal.Signals(-code).name}")
        return ProcessDied(f"the process ended with exit code {code}")

    def hang_up(self) -> None:
        """Let it end by itself, which closes its connections in order; kill what does not."""
        self._in.close()
        self._ends_within(_LEAVE_SECONDS)
        self.end()

    def end(self) -> None:
        """Kill it, with what it has started."""
        if self._process.returncode is None:  # its id is nobody else's yet
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):  # the latter on macOS, of the dead
                pass
        self._process.kill()
        self._process.wait()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self._in.close()
        self._out.close()
