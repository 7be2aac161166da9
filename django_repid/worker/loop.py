"""Async actors on the event loop."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Iterable

from django_repid.core import clock
from django_repid.core.errors import Cancelled
from django_repid.core.outcome import Outcome
from django_repid.worker.attempt import Attempt
from django_repid.worker.deadlines import Deadlines
from django_repid.worker.executor import Executor, failed, overdue
from django_repid.worker.lanes import LanePool


class LoopActors:
    """Runs at most `limit` attempts at once as tasks of one event loop.

    `ended` is called with an attempt and its outcome; with None the attempt does not count.
    `context` is what each task starts with a copy of: it is set when the run begins.
    """

    def __init__(
        self,
        limit: int,
        executor: Executor,
        lanes: LanePool | None,
        ended: Callable[[Attempt, Outcome | None], None],
    ) -> None:
        self._limit = limit
        self._executor = executor
        self._lanes = lanes
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Attempt] = deque()
        self._tasks: dict[Attempt, asyncio.Task[None]] = {}
        self._deadlines = Deadlines(self._loop, self._tasks, self._overrun)
        self._stopping = False
        self._interrupting = False
        self.context = contextvars.copy_context()

    def submit(self, attempts: Iterable[Attempt]) -> None:
        """Take attempts to be run, from any thread."""
        self._loop.call_soon_threadsafe(self._start, list(attempts))

    def _start(self, attempts: list[Attempt]) -> None:
        if self._stopping:
            for attempt in attempts:
                self._ended(attempt, None)
            return
        self._waiting.extend(attempts)
        self._fill()

    def _fill(self) -> None:
        waiting, tasks = self._waiting, self._tasks
        while waiting and len(tasks) < self._limit:
            attempt = waiting.popleft()
            run = self._run(attempt)
            tasks[attempt] = self._loop.create_task(run, context=self.context.copy())

    async def _run(self, attempt: Attempt) -> None:
        message = attempt.message
        attempt.started = now = self._loop.time()
        attempt.deadline = now + message.spec.timeout / 1e6
        self._deadlines.watch(attempt)
        lane = None if self._lanes is None else self._lanes.open()
        outcome: Outcome | None = None
        try:
            outcome = await self._executor.coroutine(message)
            if attempt.overran and not outcome.success and outcome.answer is None:
                # Whatever it raised when it was stopped.
                outcome = failed(overdue(message), outcome.started_when)
        except asyncio.CancelledError:
            meaning = self._meaning(attempt)
            if meaning is not None:
                elapsed = round((self._loop.time() - now) * 1e9)
                outcome = failed(meaning, clock.now_ns() - elapsed)
        finally:
            del self._tasks[attempt]
            if lane is not None and self._lanes is not None:
                self._lanes.release(lane)
            try:
                self._ended(attempt, outcome)
            finally:
                self._fill()

    def _meaning(self, attempt: Attempt) -> BaseException | None:
        """Say what the cancellation of an attempt's task means: its outcome, or that it has none.

        None: the attempt does not count.
        """
        if attempt.overran:
            return overdue(attempt.message)
        if attempt.cancel_asked:
            return Cancelled("The job was cancelled while it ran.")
        # Only what this worker interrupts does not count; else it would run again for ever.
        return None if self._interrupting else RuntimeError("The actor cancelled its own task.")

    def _overrun(self, attempt: Attempt) -> None:
        attempt.overran = True
        self._tasks[attempt].cancel()

    def cancel(self, keys: Iterable[int]) -> None:
        """Stop the attempts of these messages (by pk), from any thread."""
        self._loop.call_soon_threadsafe(self._cancel, frozenset(keys))

    def _cancel(self, keys: frozenset[int]) -> None:
        for attempt, task in self._tasks.items():
            # One that has not begun would never hear of it: it is asked again at the next beat.
            begun = attempt.started is not None
            if begun and attempt.message.key.pk in keys and not attempt.cancel_asked:
                attempt.cancel_asked = True
                task.cancel()

    def hand_back_waiting(self) -> None:
        """Start no more: what no task has begun is handed back."""
        self._stopping = True
        while self._waiting:
            self._ended(self._waiting.popleft(), None)

    async def stop(self, seconds: float) -> None:
        """Interrupt everything; what does not end within `seconds` is left behind."""
        self.hand_back_waiting()
        self._interrupting = True
        tasks = dict(self._tasks)
        for task in tasks.values():
            task.cancel()
        if tasks:
            await asyncio.wait(tasks.values(), timeout=seconds)
        for attempt in list(self._tasks):
            self._ended(attempt, None)
