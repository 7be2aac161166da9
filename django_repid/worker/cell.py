"""A cell: a process that runs one job at a time, and nothing else.

The worker sends it jobs as lines of JSON and gets outcomes back; nothing is pickled. It stays warm
between jobs. What kills it, kills it alone, and so tells which job it was.
"""

import dataclasses
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from django_repid.core import clock
from django_repid.core.connection import Connection
from django_repid.core.errors import Cancelled, RepidError
from django_repid.core.serializer import printable
from django_repid.core.verdict import Bench, Outcome
from django_repid.worker.attempt import Attempt
from django_repid.worker.cell_process import LOOK_SECONDS, Child, ProcessDied
from django_repid.worker.executor import Executor, failed, overdue
from django_repid.worker.wire import pack_message, unpack_outcome

logger = logging.getLogger("django_repid.worker")

#: After a cell has died, its worker waits so long before it says so: a deploy, or an operating
#: system without memory, that kills both need not do so at the same moment.
_GRACE_SECONDS = 1.0
#: How long a cell may take to import the project.
_START_SECONDS = 60.0


class Stopped(Exception):
    """The worker ends."""


class CannotStart(Exception):
    """The process ended before it had anything to do with a job."""


class CellEnds(Protocol):
    """Whom a cell tells how attempts ended."""

    def ended(self, attempt: Attempt, outcome: Outcome | None, *, unsure: bool) -> None:
        """Take an outcome; None: it does not count. `unsure`: it may be settled already."""

    def settled(self, attempt: Attempt, outcome: Outcome, lost: frozenset[int]) -> None:
        """Take a success that was settled with what its actor wrote, unless its lease was lost."""

    def crashed(self, attempt: Attempt, died: RepidError, *, unsure: bool) -> None:
        """Take an attempt that has killed the process."""

    def unfit(self, attempt: Attempt) -> None:
        """Take back an attempt whose actor no other process can find."""


class Cell:
    """Runs attempts in a child process, one after another.

    `ends` is told how they ended, on a thread of the cell's own.
    """

    available = os.name == "posix"

    def __init__(
        self,
        executor: Executor,
        connection: Connection,
        bench: Callable[[], Bench],
        ends: "CellEnds",
    ) -> None:
        self._executor = executor
        self._connection = connection
        self._bench = bench
        self._ends = ends
        self._inbox: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._current: Attempt | None = None
        self._child: Child | None = None
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
                    self._ends.ended(attempt, None, unsure=False)
                    continue
                self._current = attempt
                self._run(attempt)
                self._current = None
        finally:
            self._end_child()

    def _run(self, attempt: Attempt) -> None:
        unsure = self._executor.actors[attempt.message.key.topic].atomic
        if "<locals>" in self._executor.actors[attempt.message.key.topic].fn.__qualname__:
            self._ends.unfit(attempt)  # made inside another function: nobody else can find it
            return
        self._executor.before(attempt.message)
        try:
            answer = self._ask(attempt)
        except Stopped:
            self._ends.ended(attempt, None, unsure=unsure)
        except ProcessDied as died:
            self._ends.crashed(attempt, died, unsure=unsure)
        except (TimeoutError, Cancelled) as error:
            started = round((time.monotonic() - (attempt.started or time.monotonic())) * 1e9)
            outcome = failed(error, clock.now_ns() - started)
            self._executor.after(attempt.message, outcome)
            self._ends.ended(attempt, outcome, unsure=unsure)
        except Exception:
            logger.exception("The process for suspects cannot be used; the worker runs them.")
            self._end_child()
            self._ends.unfit(attempt)
        else:
            self._take(attempt, answer)

    def _take(self, attempt: Attempt, answer: dict[str, Any]) -> None:
        if "unfit" in answer:
            unfit = printable(answer["unfit"])
            logger.warning("%s; the worker runs its suspects itself.", unfit)
            self._ends.unfit(attempt)
            return
        outcome = unpack_outcome(answer["outcome"])
        self._executor.after(attempt.message, outcome)
        if "lost" in answer:
            self._ends.settled(attempt, outcome, frozenset(answer["lost"]))
        else:
            self._ends.ended(attempt, outcome, unsure=answer.get("unsure", False))

    def _ask(self, attempt: Attempt) -> dict[str, Any]:
        """Have an attempt run by the child.

        Raises:
            ProcessDied: the child ended instead of answering.
            TimeoutError: the attempt took too long; the child is gone.
            Cancelled: somebody wanted it stopped; the child is gone.
            Stopped: the worker ends; the child is gone.

        """
        child = self._ready_child(attempt)
        attempt.started = time.monotonic()
        attempt.deadline = attempt.started + attempt.message.spec.timeout / 1e6
        try:
            child.write(self._order(attempt))
            return child.read(attempt.deadline, lambda: self._check(attempt))
        except TimeoutError:
            self._end_child()
            raise overdue(attempt.message) from None
        except (Cancelled, Stopped):
            self._end_child()
            raise
        except ProcessDied:
            self._child = None
            self._wait_for_the_worse()
            raise

    def _ready_child(self, attempt: Attempt) -> Child:
        """Return a child that waits for something to do.

        Raises:
            CannotStart: there is none to be had; that says nothing about the job.

        """
        child = self._child
        if child is not None and child.answers():
            return child
        self._end_child()
        child = self._child = Child()
        try:
            child.read(time.monotonic() + _START_SECONDS, lambda: self._check(attempt))
        except (ProcessDied, TimeoutError) as error:
            text = f"The process for suspects did not start: {error}"
            raise CannotStart(text) from error
        return child

    def _order(self, attempt: Attempt) -> dict[str, Any]:
        actor = self._executor.actors[attempt.message.key.topic]
        return {
            "actor": actor.name,
            "module": _importable(actor.fn.__module__),
            "function": actor.fn.__qualname__,
            "message": pack_message(attempt.message),
            "limit": self._executor.result_limit,
            "atomic": self._settling() if actor.atomic else None,
        }

    def _settling(self) -> dict[str, Any]:
        """Return what the child needs besides to settle the attempt in the actor's transaction."""
        return {
            "connection": self._connection.alias,
            "bench": dataclasses.asdict(self._bench()),
        }

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
            time.sleep(LOOK_SECONDS)

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


def _importable(module: str) -> str:
    """Return the name under which another process can import a module of this one."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return module if spec is None else spec.name
