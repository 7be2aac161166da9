"""Queues as people see them: what waits in each, who serves it, and how it goes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from django.utils.translation import gettext_lazy as _

from django_repid.core.claims import Work
from django_repid.insight.workers import WorkerState

#: No count goes on beyond this.
CAP = 10_000
#: What the oldest due job may have waited for.
TARGET_US = 60_000_000
#: Runs fail often if so many of the last minutes did, and such a part of them.
_FAILURES = 5
_FAILURE_RATE = 0.1
#: Over how many minutes rates are taken.
RATE_MINUTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What stands in a queue for one actor; counts go up to a little more than `CAP`.

    `oldest`: since when the first of the due ones is. `failed`: dead letters.
    """

    queue: str
    topic: str
    due: int = 0
    oldest: int | None = None
    later: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """How many jobs of a queue a worker runs. `worker_id` None: somebody has seized them."""

    queue: str
    worker_id: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Pause:
    """What is said about a queue that is paused."""

    queue: str
    at: int
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """What workers have done of one actor in a queue: runs by their ends.

    `retried` runs failed and are to be tried again.
    """

    queue: str
    topic: str
    succeeded: int = 0
    failed: int = 0
    retried: int = 0

    @property
    def runs(self) -> int:
        """All of them."""
        return self.succeeded + self.failed + self.retried

    @property
    def failures(self) -> int:
        """Those that failed."""
        return self.failed + self.retried

    @property
    def is_failing(self) -> bool:
        """Whether so many fail that a person should look."""
        return self.failures >= _FAILURES and self.failures > self.runs * _FAILURE_RATE


class QueueReader(Protocol):
    """The queues of a store."""

    def backlogs(self) -> list[Backlog]:
        """Return what waits, comes later or is dead, by queue and actor."""

    def running(self) -> list[Running]:
        """Return what runs, by queue and worker."""

    def pauses(self) -> list[Pause]:
        """Return the queues that are paused."""

    def tallies(self, minutes: int) -> list[Tally]:
        """Return what was done in the last minutes, the one that goes on included."""


class Condition(StrEnum):
    """The state of a queue, the worst first."""

    UNSERVED = "unserved"
    LOST = "lost"
    LATE = "late"
    FAILING = "failing"
    PAUSED = "paused"
    NO_WORKER = "no worker"
    FINE = "fine"

    @property
    def word(self) -> str:
        """It in a word, to be shown."""
        return str(_WORDS[self])

    @property
    def glyph(self) -> str:
        """The glyph that stands before the word."""
        return _GLYPHS[self]


_WORDS = {
    Condition.UNSERVED: _("unserved"),
    Condition.LOST: _("lost jobs"),
    Condition.LATE: _("late"),
    Condition.FAILING: _("failing"),
    Condition.PAUSED: _("paused"),
    Condition.NO_WORKER: _("no worker"),
    Condition.FINE: _("fine"),
}
_GLYPHS = {
    Condition.UNSERVED: "failed",
    Condition.LOST: "lost",
    Condition.LATE: "warning",
    Condition.FAILING: "warning",
    Condition.PAUSED: "paused",
    Condition.NO_WORKER: "waiting",
    Condition.FINE: "done",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue. `workers`: how many live ones serve it; `unserved`: what none of them takes."""

    name: str
    now: int
    backlogs: Sequence[Backlog] = ()
    unserved: Sequence[Backlog] = ()
    workers: int = 0
    running: int = 0
    lost: int = 0
    pause: Pause | None = None
    tally: Tally

    @property
    def due(self) -> int:
        """Jobs that could run now."""
        return sum(one.due for one in self.backlogs)

    @property
    def later(self) -> int:
        """Jobs that are not due yet."""
        return sum(one.later for one in self.backlogs)

    @property
    def failed(self) -> int:
        """Dead letters."""
        return sum(one.failed for one in self.backlogs)

    @property
    def oldest(self) -> int | None:
        """Since when the first of the due jobs is due."""
        return min((one.oldest for one in self.backlogs if one.oldest is not None), default=None)

    @property
    def is_late(self) -> bool:
        """Whether the oldest due job has waited for longer than it may."""
        return self.oldest is not None and self.now - self.oldest > TARGET_US

    @property
    def per_minute(self) -> float:
        """Runs in a minute, over the last few."""
        into_minute = self.now / 60_000_000 % 1
        return self.tally.runs / (RATE_MINUTES - 1 + into_minute)

    @property
    def failure_rate(self) -> float | None:
        """The part of the runs that failed; None if there were none."""
        return self.tally.failures / self.tally.runs if self.tally.runs else None

    @property
    def condition(self) -> Condition:
        """The state in a word."""
        if self.pause is not None:
            return Condition.PAUSED
        if self.unserved:
            return Condition.UNSERVED
        if self.lost:
            return Condition.LOST
        if self.is_late:
            return Condition.LATE
        if self.tally.is_failing:
            return Condition.FAILING
        return Condition.FINE if self.workers else Condition.NO_WORKER


def queue_states(
    reader: QueueReader, workers: Iterable[WorkerState], tallies: Iterable[Tally], now: int
) -> list[QueueState]:
    """Put together what is known of each queue that anything is known of, in order of names."""
    workers, tallies = list(workers), list(tallies)
    backlogs, running = reader.backlogs(), reader.running()
    pauses = {one.queue: one for one in reader.pauses()}
    live = {worker.id for worker in workers if worker.lives}
    names = {one.queue for one in backlogs} | {one.queue for one in running} | pauses.keys()
    names.update(one.queue for one in tallies)
    names.update(name for worker in workers if worker.lives for name in worker.info.named_queues)
    return [
        QueueState(
            name=name,
            now=now,
            backlogs=(mine := [one for one in backlogs if one.queue == name]),
            unserved=[
                one
                for one in mine
                if one.due and not any(worker.takes(name, one.topic) for worker in workers)
            ],
            workers=sum(worker.takes(name) for worker in workers),
            running=sum(one.count for one in running if one.queue == name),
            lost=sum(
                one.count
                for one in running
                if one.queue == name and one.worker_id is not None and one.worker_id not in live
            ),
            pause=pauses.get(name),
            tally=total(name, tallies),
        )
        for name in sorted(names)
    ]


def tallied(work: Iterable[Work]) -> list[Tally]:
    """Add up the work of several minutes, by queue and actor."""
    found: dict[tuple[str, str], Tally] = {}
    for one in work:
        before = found.get((one.queue, one.topic), Tally(one.queue, one.topic))
        found[one.queue, one.topic] = Tally(
            one.queue,
            one.topic,
            before.succeeded + one.succeeded,
            before.failed + one.failed,
            before.retried + one.retried,
        )
    return [found[key] for key in sorted(found)]


def total(queue: str, tallies: Iterable[Tally]) -> Tally:
    """Add up what was done in a queue."""
    mine = [one for one in tallies if one.queue == queue]
    return Tally(
        queue,
        "",
        sum(one.succeeded for one in mine),
        sum(one.failed for one in mine),
        sum(one.retried for one in mine),
    )
