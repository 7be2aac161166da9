"""Cells of one kind, with a thread for each: that of the suspects, and those of actors."""

import logging
import os
import queue
import threading
import time
from collections.abc import Iterable, Mapping

from django_repid.core.actor import Actor
from django_repid.core.errors import ConfigurationError
from django_repid.worker.attempt import Attempt
from django_repid.worker.cell import Cell, CellTerms, importable

logger = logging.getLogger("django_repid.worker")

#: Whether this operating system has what cells need.
AVAILABLE = os.name == "posix"
#: How long threads are waited for when they are told to stop.
_STOP_SECONDS = 2.0


class Cells:
    """At most `count` cells, each made when an attempt comes and those there are have work.

    `terms.ends` is told how attempts ended, on a thread of the cell's own.
    """

    def __init__(self, count: int, terms: CellTerms, name: str) -> None:
        self._count = count
        self._terms = terms
        self._name = name
        self._inbox: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._made: list[tuple[Cell, threading.Thread]] = []
        #: Attempts that are waited for or worked on.
        self._at_hand = 0
        self._stopping = False

    def submit(self, attempts: Iterable[Attempt]) -> None:
        """Take attempts to be run, from any thread."""
        with self._lock:
            for attempt in attempts:
                self._at_hand += 1
                if len(self._made) < min(self._at_hand, self._count) and not self._stopping:
                    self._start()
                self._inbox.put(attempt)

    def _start(self) -> None:
        cell = Cell(self._terms)
        name = f"{self._name}-{len(self._made) + 1}"
        thread = threading.Thread(target=self._work, args=(cell,), name=name, daemon=True)
        self._made.append((cell, thread))
        thread.start()

    def _work(self, cell: Cell) -> None:
        try:
            while (attempt := self._inbox.get()) is not None:
                try:
                    cell.run(attempt)
                except Exception as error:  # around the actor, or a bug
                    logger.exception("The thread of a process for jobs met an error of its own.")
                    self._terms.ends.lost(attempt, error)
                finally:
                    with self._lock:
                        self._at_hand -= 1
                del attempt
        finally:
            cell.close()

    def cancel(self, keys: Iterable[int]) -> None:
        """Stop what runs here of these keys."""
        wanted = set(keys)
        for cell, _ in self._cells():
            current = cell.current
            if current is not None and current.message.key.pk in wanted:
                current.cancel_asked = True

    def not_started(self) -> list[Attempt]:
        """Take back the attempts that no cell has begun."""
        left: list[Attempt] = []
        while True:
            try:
                attempt = self._inbox.get_nowait()
            except queue.Empty:
                return left
            if attempt is not None:
                left.append(attempt)

    def interrupt(self) -> None:
        """Hand back what runs here and what waits, and end the processes."""
        self._stopping = True
        made = self._cells()
        for cell, _ in made:
            cell.stopping = True
        for _ in made:
            self._inbox.put(None)
        end = time.monotonic() + _STOP_SECONDS
        for _, thread in made:
            thread.join(max(0.0, end - time.monotonic()))

    def _cells(self) -> list[tuple[Cell, threading.Thread]]:
        with self._lock:
            return list(self._made)


def modules_of(actors: Mapping[str, Actor]) -> frozenset[str]:
    """Return the modules in which other processes find the actors that are to run there.

    Raises:
        ConfigurationError: they cannot find one, or this system has no such processes.

    """
    found: set[str] = set()
    for actor in actors.values():
        if not actor.run_in_process:
            continue
        if not AVAILABLE:
            message = f"{actor.place}: run_in_process=True needs signals and pipes of a Unix."
            raise ConfigurationError(message)
        module = importable(actor.fn.__module__)
        if module == "__main__":
            message = (
                f"{actor.place}: run_in_process=True is for functions of a module that another "
                "process can import; move it out of the script."
            )
            raise ConfigurationError(message)
        found.add(module)
    return frozenset(found)
