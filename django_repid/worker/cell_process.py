"""The process of a cell as its worker sees it, and the two pipes to it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from django_repid.core.errors import RepidError
from django_repid.core.host import host

#: How often a job that runs there is looked after: its timeout, a wish to stop it.
LOOK_SECONDS = 0.1
#: How long a process may take to say that it is still there.
_ANSWER_SECONDS = 5.0
#: `-m` would look in the current folder first, which others may be able to write to.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from django_repid.worker.cell_child import main; main()"
)


class ProcessDied(RepidError):
    """The process that ran a job, and only this one, has died."""


class Child:
    """The process, and the two pipes to it."""

    def __init__(self) -> None:
        setup = host().child_setup
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._buffer = b""
        self.write({"setup": setup})

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def answers(self) -> bool:
        """Whether it is there: what has died meanwhile must not be blamed on the next job."""
        try:
            self.write({})
            self.read(time.monotonic() + _ANSWER_SECONDS, lambda: None)
        except (ProcessDied, TimeoutError):
            return False
        return True

    def write(self, what: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        try:
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None

    def read(self, deadline: float, check: Callable[[], None]) -> dict[str, Any]:
        """Return its next answer; `check` is called now and then, and may raise."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        fd = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            check()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if select.select([fd], [], [], min(left, LOOK_SECONDS))[0]:
                some = os.read(fd, 65536)
                if not some:
                    raise self._death()
                self._buffer += some
            elif self.has_ended:  # a grandchild may hold the pipe open
                raise self._death()
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _death(self) -> ProcessDied:
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:  # it has closed its pipes, and lives
            self.end()
            return ProcessDied("the process stopped talking to its worker")
        self.end()
        if code < 0:
            return ProcessDied(f"the process died of {signal.Signals(-code).name}")
        return ProcessDied(f"the process ended with exit code {code}")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except BrokenPipeError:
                pass  # something was left to be sent
