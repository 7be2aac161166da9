"""The actors that share one kind of room: of the event loop, of threads, of processes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django_repid.core.actor import Actor
from django_repid.worker.attempt import Attempt

#: A job is claimed when it can start now or within about this long.
_PREFETCH_US = 50_000
#: How much of a new duration goes into the mean.
_WEIGHT = 0.05


@dataclass(slots=True)
class Group:
    """Bookkeeping of one group; only the broker thread touches the numbers.

    `capacity`: how many run at once. `mean_us`: how long one takes, measured; None before the
    first.
    """

    topics: frozenset[str]
    capacity: int
    submit: Callable[[Iterable[Attempt]], None]
    in_flight: int = 0
    mean_us: float | None = None

    def room(self, batch: int) -> int:
        """How many more may be claimed: what can start now, and for short jobs some in advance.

        Those in advance are fetched in batches: not for one place that has become free.
        """
        free = self.capacity - self.in_flight
        if self.mean_us is None:
            return free
        ahead = int(self.capacity * _PREFETCH_US / max(self.mean_us, 1.0))
        # Where a thousand run at once, a thousand may end together.
        ahead = min(ahead, max(batch, self.capacity))
        room = free + ahead
        return room if free > 0 or room * 2 >= ahead else 0

    def ran(self, duration_us: float) -> None:
        """Learn from one run."""
        mean = self.mean_us
        self.mean_us = duration_us if mean is None else mean + (duration_us - mean) * _WEIGHT


#: How many run at once, and where they go.
_Place = tuple[int, Callable[[Iterable[Attempt]], None]]


def group_up(
    actors: Iterable[Actor], *, on_loop: _Place, on_threads: _Place, in_processes: _Place
) -> list[Group]:
    """Return the groups that have actors: one that has none would cost each claim."""
    topics: dict[_Place, set[str]] = {}
    for actor in actors:
        apart = in_processes if actor.run_in_process else on_threads
        topics.setdefault(on_loop if actor.is_async else apart, set()).add(actor.name)
    return [Group(frozenset(names), *place) for place, names in topics.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Of the processes for actors: how many there are at most, and when another takes its place.

    `jobs_limit`: after so many jobs. `memory_limit`: with more bytes than this after one.
    """

    count: int
    jobs_limit: int | None = None
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a desk claims.

    `limit`: how many messages it may process. `burst`: it ends when nothing that is due is left.
    """

    queues: frozenset[str] | None
    excluded: frozenset[str]
    limit: float
    burst: bool
