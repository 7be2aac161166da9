"""A look at a store as a whole: what a verdict is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django_repid.insight.causes import Causes
from django_repid.insight.queues import RATE_MINUTES, QueueState, Tally, queue_states
from django_repid.insight.reader import Reader
from django_repid.insight.schedules import ScheduleState
from django_repid.insight.workers import WorkerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How a store stood at `now`, by its own clock. `tallies`: of the last minutes."""

    now: int
    workers: Sequence[WorkerState] = ()
    queues: Sequence[QueueState] = ()
    tallies: Sequence[Tally] = ()
    causes: Causes = field(default_factory=Causes)
    schedules: Sequence[ScheduleState] = ()

    def queue(self, name: str) -> QueueState:
        """Return a queue, also one of which nothing is known."""
        empty = QueueState(name=name, now=self.now, tally=Tally(name, ""))
        return next((one for one in self.queues if one.name == name), empty)


def look(reader: Reader) -> Snapshot:
    """Look at a store once."""
    now, workers = reader.now_us(), reader.workers()
    tallies = reader.tallies(RATE_MINUTES)
    return Snapshot(
        now=now,
        workers=workers,
        queues=queue_states(reader, workers, tallies, now),
        tallies=tallies,
        causes=reader.causes(),
        schedules=reader.schedules(),
    )
