"""Sync actors on plain threads: no executor, no future and no hop through the loop per job."""

import logging
import math
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable

from django_repid.core.host import host
from django_repid.core.serializer import printable
from django_repid.worker.attempt import Attempt

#: For how long a connection that a job has just used is trusted without asking the server.
FRESH_SECONDS = 1.0

logger = logging.getLogger("django_repid.worker")


class ActorThreads:
    """At most `count` threads that run attempts, made when they are first needed.

    Python cannot stop a thread. One that overruns is abandoned: it runs on, another takes its
    place, and what it brings in the end is ignored.
    """

    def __init__(
        self,
        count: int,
        run: Callable[[Attempt], None],
        lost: Callable[[Attempt, BaseException], None],
    ) -> None:
        self._count = count
        self._run = run
        self._lost = lost
        self._inbox: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._running: dict[int, Attempt] = {}
        self._lock = threading.Lock()
        self._made = 0
        self._number = 0

    def submit(self, attempts: Iterable[Attempt]) -> None:
        """Take attempts to be run, from any thread."""
        with self._lock:
            for attempt in attempts:
                if self._made < self._count:
                    self._start()
                self._inbox.put(attempt)

    def _start(self) -> None:
        self._made += 1
        self._number += 1
        name = f"repid-actor-{self._number}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        me = threading.get_ident()
        tidied = -math.inf
        with host().thread_scope():
            while (attempt := self._inbox.get()) is not None:
                attempt.started = time.monotonic()
                self._running[me] = attempt
                try:
                    if attempt.started - tidied > FRESH_SECONDS:
                        host().tidy()
                    self._run(attempt)
                    host().tidy(check=False)
                    tidied = time.monotonic()
                except BaseException as error:  # around the actor, or a bug
                    tidied = -math.inf
                    logger.exception("A sync actor's thread met an error of its own.")
                    self._lost(attempt, error)
                finally:
                    del self._running[me]
                if attempt.given_up:
                    return  # another thread has taken this one's place
                del attempt

    def overdue(self) -> list[Attempt]:
        """Give up the attempts that have run longer than they may; return them.

        Called by the broker thread alone.
        """
        now = time.monotonic()
        late = []
        for ident, attempt in list(self._running.items()):
            allowed = attempt.message.spec.timeout / 1e6
            if attempt.started is None or now - attempt.started <= allowed:
                continue
            if not attempt.end(given_up=True):
                continue
            with self._lock:
                self._made -= 1
                self._start()
            logger.warning(
                "Job %s (%s) overran its timeout of %s s. Its thread cannot be stopped and runs "
                "on; another takes its place. It is at:\n%s",
                printable(attempt.message.key.id_),
                printable(attempt.message.key.topic),
                allowed,
                _stack(ident),
            )
            late.append(attempt)
        return late

    def until_next(self) -> float:
        """Return the seconds until the next of them is overdue."""
        now = time.monotonic()
        return min(
            (
                (attempt.started or now) + attempt.message.spec.timeout / 1e6 - now
                for attempt in list(self._running.values())
            ),
            default=math.inf,
        )

    def not_started(self) -> list[Attempt]:
        """Take back the attempts that no thread has begun."""
        left: list[Attempt] = []
        while True:
            try:
                attempt = self._inbox.get_nowait()
            except queue.Empty:
                return left
            if attempt is not None:
                left.append(attempt)

    def running(self) -> list[Attempt]:
        """Return the attempts that threads are in."""
        return list(self._running.values())

    def close(self) -> None:
        """Let the threads end after what they are in."""
        for _ in range(self._made):
            self._inbox.put(None)


def _stack(ident: int) -> str:
    frame = sys._current_frames().get(ident)
    return "".join(traceback.format_stack(frame)[-6:]) if frame else "(gone)"
