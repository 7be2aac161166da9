"""A cell: a process that runs one job at a time, and nothing else.

The worker sends it jobs as lines of JSON and gets outcomes back; nothing is pickled. It stays warm
between jobs. What kills it, kills it alone, and so tells which job it was.
"""

import dataclasses
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from django_repid.core import clock
from django_repid.core.connection import Connection
from django_repid.core.errors import Cancelled, RepidError
from django_repid.core.outcome import Bench, Outcome
from django_repid.core.serializer import printable
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
_MEGABYTE = 1024 * 1024


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

    def lost(self, attempt: Attempt, error: BaseException) -> None:
        """Take an attempt that an error outside its actor has stopped."""

    def unfit(self, attempt: Attempt, why: str) -> None:
        """Take back an attempt whose actor no other process can find."""

    def no_process(self, attempt: Attempt) -> None:
        """Take back an attempt for which no process could be started."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CellTerms:
    """What all cells of a run have in common.

    `modules`: what a process imports before its first job. `jobs_limit`, `memory_limit`: after so
    many jobs, and with more than so many bytes after one, another process takes its place.
    """

    executor: Executor
    connection: Connection
    bench: Callable[[], Bench]
    ends: CellEnds
    modules: frozenset[str] = frozenset()
    jobs_limit: int | None = None
    memory_limit: int | None = None


class Cell:
    """Runs attempts in a child process, one after another, on the thread that calls `run`."""

    def __init__(self, terms: CellTerms) -> None:
        self._terms = terms
        self._executor = terms.executor
        self._ends = terms.ends
        self._child: Child | None = None
        #: What runs here now.
        self.current: Attempt | None = None
        #: Set by another thread: what runs is to be handed back.
        self.stopping = False

    def run(self, attempt: Attempt) -> None:
        """Run an attempt and tell its end; returns when another one may come."""
        if self.stopping:
            self._ends.ended(attempt, None, unsure=False)
            return
        self.current = attempt
        try:
            self._run(attempt)
        finally:
            self.current = None
        self._renew()

    def close(self) -> None:
        """Let the process end, if there is one; nothing runs in it."""
        child, self._child = self._child, None
        if child is not None:
            child.hang_up()

    def _run(self, attempt: Attempt) -> None:
        actor = self._executor.actors[attempt.message.key.topic]
        if "<locals>" in actor.fn.__qualname__:
            self._ends.unfit(attempt, f"The actor {actor.name!r} is made inside another function")
            return
        self._executor.before(attempt.message)
        try:
            answer = self._ask(attempt)
        except Stopped:
            self._ends.ended(attempt, None, unsure=actor.atomic)
        except ProcessDied as died:
            self._ends.crashed(attempt, died, unsure=actor.atomic)
        except (TimeoutError, Cancelled) as error:
            started = round((time.monotonic() - (attempt.started or time.monotonic())) * 1e9)
            outcome = failed(error, clock.now_ns() - started)
            self._executor.after(attempt.message, outcome)
            self._ends.ended(attempt, outcome, unsure=actor.atomic)
        except Exception:
            logger.exception("A process for a job cannot be used.")
            self._end_child()
            self._ends.no_process(attempt)
        else:
            self._take(attempt, answer)

    def _take(self, attempt: Attempt, answer: dict[str, Any]) -> None:
        if "unfit" in answer:
            self._ends.unfit(attempt, printable(answer["unfit"]))
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
            CannotStart: there is no child to be had.
            ProcessDied: the child ended instead of answering.
            TimeoutError: the attempt took too long; the child is gone.
            Cancelled: somebody wanted it stopped; the child is gone.
            Stopped: the worker ends; the child is gone.

        """
        try:
            child = self._ready_child(attempt)
            attempt.started = time.monotonic()
            attempt.deadline = attempt.started + attempt.message.spec.timeout / 1e6
            child.ran += 1
            return child.ask(self._order(attempt), attempt.deadline, lambda: self._check(attempt))
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
        if child is not None and child.answers(lambda: self._check(attempt)):
            return child
        self._end_child()
        try:
            child = self._child = Child(self._terms.modules)
            child.begin(time.monotonic() + _START_SECONDS, lambda: self._check(attempt))
        except (ProcessDied, TimeoutError, OSError) as error:
            text = f"The process did not start: {error or 'it took too long'}"
            raise CannotStart(text) from error
        return child

    def _order(self, attempt: Attempt) -> dict[str, Any]:
        actor = self._executor.actors[attempt.message.key.topic]
        return {
            "actor": actor.name,
            "module": importable(actor.fn.__module__),
            "function": actor.fn.__qualname__,
            "message": pack_message(attempt.message),
            "limit": self._executor.result_limit,
            "atomic": self._settling() if actor.atomic else None,
        }

    def _settling(self) -> dict[str, Any]:
        """Return what the child needs besides to settle the attempt in the actor's transaction."""
        return {
            "connection": self._terms.connection.alias,
            "bench": dataclasses.asdict(self._terms.bench()),
        }

    def _check(self, attempt: Attempt) -> None:
        if self.stopping:
            raise Stopped
        if attempt.cancel_asked:
            text = "The job was cancelled while it ran."
            raise Cancelled(text)

    def _wait_for_the_worse(self) -> None:
        """Give whatever killed the child the time to come for the worker too."""
        end = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < end:
            if self.stopping:
                raise Stopped
            time.sleep(LOOK_SECONDS)

    def _renew(self) -> None:
        """Let a child go that has run its jobs, or has grown too much."""
        child, jobs, memory = self._child, self._terms.jobs_limit, self._terms.memory_limit
        if child is None:
            return
        if memory is not None and child.memory > memory:
            logger.info(
                "A process for jobs has grown to %d MB, which is above its limit of %d MB: another "
                "takes its place.",
                child.memory // _MEGABYTE,
                memory // _MEGABYTE,
            )
            self.close()
        elif jobs is not None and child.ran >= jobs:
            self.close()

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


def importable(module: str) -> str:
    """Return the name under which another process can import a module of this one."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return module if spec is None else spec.name
