"""What runs apart from the worker's own process: jobs of some actors, and suspects."""

import asyncio
from collections.abc import Callable, Iterable

from django_repid.core.connection import Connection
from django_repid.core.outcome import Bench
from django_repid.worker.aside import aside
from django_repid.worker.attempt import Attempt
from django_repid.worker.cell import CellEnds, CellTerms
from django_repid.worker.cells import AVAILABLE, Cells, modules_of
from django_repid.worker.executor import Executor
from django_repid.worker.group import Processes


class Apart:
    """The cells of a run: one for suspects, and those of actors with `run_in_process`."""

    def __init__(
        self,
        executor: Executor,
        connection: Connection,
        bench: Callable[[], Bench],
        ends: CellEnds,
        processes: Processes,
    ) -> None:
        terms = CellTerms(
            executor=executor,
            connection=connection,
            bench=bench,
            ends=ends,
            modules=modules_of(executor.actors),
            jobs_limit=processes.jobs_limit,
            memory_limit=processes.memory_limit,
        )
        self._ends = ends
        self._for_suspects = Cells(1, terms, "repid-cell")
        self._for_actors = Cells(processes.count, terms, "repid-process")
        #: Takes attempts of actors with `run_in_process`, from any thread.
        self.submit = self._for_actors.submit
        #: Takes back the attempts of such actors that nothing has begun.
        self.not_started = self._for_actors.not_started

    def isolate(self, attempt: Attempt) -> None:
        """Run a suspect alone; called by the broker thread."""
        if AVAILABLE:
            self._for_suspects.submit([attempt])
        else:
            self._ends.unfit(attempt, "This system has no processes for suspects")

    def cancel(self, keys: Iterable[int]) -> None:
        """Stop what runs here of these keys, from any thread."""
        for cells in (self._for_suspects, self._for_actors):
            cells.cancel(keys)

    async def interrupt(self, seconds: float) -> None:
        """Hand back what runs here and end the processes; wait for that for so long at most."""
        ended = [aside(cells.interrupt) for cells in (self._for_suspects, self._for_actors)]
        await asyncio.wait(ended, timeout=seconds)
