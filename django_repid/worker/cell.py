"""A cell: a process that runs one job at a time, and nothing else.

The worker sends it jobs as lines of JSON and gets outcomes back; nothing is pickled. It stays warm
between jobs. What kills it, kills it alone, and so tells which job it was.
"""

import json
import logging
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from django_repid.core import clock
from django_repid.core.cause import Cause, RemoteFailure
from django_repid.core.errors import Cancelled, RepidError
from django_repid.core.host import host
from django_repid.core.verdict import Outcome
from django_repid.worker.attempt import Attempt
from django_repid.worker.executor import Executor, failed, overdue

logger = logging.getLogger("django_repid.worker")

#: How often a job that runs there is looked after: its timeout, a wish to stop it.
_LOOK_SECONDS = 0.1
#: After a cell has died, its worker waits so long before it says so: a deploy, or an operating
#: system without memory, that kills both need not do so at the same moment.
_GRACE_SECONDS = 1.0
#: How long a cell may take to import the project.
_START_SECONDS = 60.0


class ProcessDied(RepidError):
    """The process that ran a job, and only this one, has died."""


class Stopped(Exception):
    """The worker ends."""


class Cell:
    """Runs attempts in a child process, one after another.

    `ended` takes an attempt and its outcome (None: it does not count), `crashed` an attempt that
    has killed the process, `unfit` one whose actor no other process can find.
    """

    available = os.name == "posix"

    def __init__(
        self,
        executor: Executor,
        ended: Callable[[Attempt, Outcome | None], None],
        crashed: Callable[[Attempt, RepidError], None],
        unfit: Callable[[Attempt], None],
    ) -> None:
        self._executor = executor
        self._ended = ended
        self._crashed = crashed
        self._unfit = unfit
        self._inbox: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._current: Attempt | None = None
        self._child: _Child | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def submit(self, attempt: Attempt) -> None:
        """Take an attempt; called by the broker thread alone."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="repid-cell", daemon=True)
            self._thread.start()
        self._inbox.put(attempt)

    def cancel(self, keys: Iterable[int]) -> None:
        """Stop what runs here of these keys."""
        current = self._current
        if current is not None and current.message.key.pk in set(keys):
            current.cancel_asked = True

    def interrupt(self) -> None:
        """Hand back what runs here and what waits, and end the process."""
        self._stopping = True
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join(2.0)

    def _work(self) -> None:
        try:
            while (attempt := self._inbox.get()) is not None:
                if self._stopping:
                    self._ended(attempt, None)
                    continue
                self._current = attempt
                self._run(attempt)
                self._current = None
        finally:
            self._end_child()

    def _run(self, attempt: Attempt) -> None:
        self._executor.before(attempt.message)
        try:
            answer = self._ask(attempt)
        except Stopped:
            self._ended(attempt, None)
        except ProcessDied as died:
            self._crashed(attempt, died)
        except (TimeoutError, Cancelled) as error:
            started = round((time.monotonic() - (attempt.started or time.monotonic())) * 1e9)
            self._end(attempt, failed(error, clock.now_ns() - started))
        except Exception:
            logger.exception("The process for suspects cannot be used; the worker runs them.")
            self._end_child()
            self._unfit(attempt)
        else:
            if answer.get("unfit"):
                logger.warning("%s; the worker runs its suspects itself.", answer["unfit"])
                self._unfit(attempt)
            else:
                self._end(attempt, _outcome(answer))

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        self._executor.after(attempt.message, outcome)
        self._ended(attempt, outcome)

    def _ask(self, attempt: Attempt) -> dict[str, Any]:
        """Have an attempt run by the child.

        Raises:
            ProcessDied: the child ended instead of answering.
            TimeoutError: the attempt took too long; the child is gone.
            Cancelled: somebody wanted it stopped; the child is gone.
            Stopped: the worker ends; the child is gone.

        """
        child = self._child
        if child is None or child.has_ended:
            child = self._child = _Child()
            child.read(time.monotonic() + _START_SECONDS, lambda: self._check(attempt))
        message, actor = attempt.message, self._executor.actors[attempt.message.key.topic]
        attempt.started = time.monotonic()
        attempt.deadline = attempt.started + message.spec.timeout / 1e6
        child.write(
            {
                "actor": actor.name,
                "module": _importable(actor.fn.__module__),
                "function": actor.fn.__qualname__,
                "payload": message.payload or "",
                "limit": self._executor.result_limit,
            }
        )
        try:
            return child.read(attempt.deadline, lambda: self._check(attempt))
        except TimeoutError:
            self._end_child()
            raise overdue(message) from None
        except (Cancelled, Stopped):
            self._end_child()
            raise
        except ProcessDied:
            self._child = None
            self._wait_for_the_worse()
            raise

    def _check(self, attempt: Attempt) -> None:
        if self._stopping:
            raise Stopped
        if attempt.cancel_asked:
            text = "The job was cancelled."
            raise Cancelled(text)

    def _wait_for_the_worse(self) -> None:
        """Give whatever killed the child the time to come for the worker too."""
        end = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < end:
            if self._stopping:
                raise Stopped
            time.sleep(_LOOK_SECONDS)

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _Child:
    """The process, and the two pipes to it."""

    def __init__(self) -> None:
        setup = host().child_setup
        self._process = subprocess.Popen(
            [sys.executable, "-m", "django_repid.worker.cell_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._buffer = b""
        self.write({"path": sys.path, "setup": setup})

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

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
            if select.select([fd], [], [], min(left, _LOOK_SECONDS))[0]:
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


def _outcome(answer: dict[str, Any]) -> Outcome:
    cause = answer["cause"]
    return Outcome(
        data=answer["data"],
        success=cause is None,
        exception=None if cause is None else RemoteFailure(Cause(**cause)),
        started_when=answer["started"],
        finished_when=answer["finished"],
    )


def _importable(module: str) -> str:
    """Return the name under which another process can import a module of this one."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return module if spec is None else spec.name
