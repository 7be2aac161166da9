"""Burning down a backlog, the same way for every system.

The backlog is there before the worker starts. The rate goes from the start of the first job to the
end of the last, and a second time until the store has recorded the last. While the worker runs
only its tally is read, which costs it nothing; the store is asked only after the last job has run.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.benchmarks import tally
from tests.benchmarks.figures import RECORDED, Figure
from tests.benchmarks.processes import Worker
from tests.benchmarks.scales import Scale
from tests.benchmarks.stores import ROOT
from tests.benchmarks.systems import Site, System, site

LOOK = 0.05
#: A worker that has run nothing for so long is stuck.
PATIENCE = 40.0
RECORD_PATIENCE = 15.0


class Failed(Exception):
    """A system did not do its work."""


@dataclass
class Drain:
    """One backlog burnt down."""

    jobs: int
    seconds: float
    recorded_seconds: float
    processes: int

    @property
    def rate(self) -> float:
        return self.jobs / self.seconds

    @property
    def recorded_rate(self) -> float:
        return self.jobs / self.recorded_seconds


@contextmanager
def workers(
    place: Site, jobs: int, count: int = 1, command: tuple[str, ...] = ()
) -> Iterator[list[Worker]]:
    """Run `count` workers of the system of this site."""
    full = [place.system.python, *(command or place.system.command)]
    started = [Worker(full, place.environment(jobs), ROOT) for _ in range(count)]
    try:
        yield started
    finally:
        for worker in started:
            worker.stop()


def wait(place: Site, running: list[Worker], jobs: int) -> tally.Reading:
    """Wait until `jobs` have run.

    Raises:
        Failed: a worker has ended, or nothing happens any more.

    """
    seen, moved = -1, time.monotonic()
    while True:
        reading = tally.read(place.folder)
        if reading.count >= jobs:
            return reading
        now = time.monotonic()
        if reading.count != seen:
            seen, moved = reading.count, now
        if (dead := next((one for one in running if one.ended), None)) or now - moved > PATIENCE:
            what = "ended" if dead else "stuck"
            message = f"worker {what} at {seen} of {jobs} jobs: {(dead or running[0]).tail()}"
            raise Failed(message)
        time.sleep(LOOK)


def wait_recorded(place: Site, jobs: int, last_ns: int) -> int:
    """Return the moment at which the store had recorded the last job.

    Raises:
        Failed: it does not.

    """
    system = place.system
    deadline = time.monotonic() + RECORD_PATIENCE
    while time.monotonic() < deadline:
        asked = time.monotonic_ns()
        if system.left:
            over = place.store.count(system.left) == 0
        else:
            over = place.store.count(system.done) >= jobs
        if over:
            return max(asked, last_ns)
        time.sleep(0.01)
    message = f"the store has not recorded all of {jobs} jobs after {RECORD_PATIENCE:.0f} s"
    raise Failed(message)


def check(place: Site, jobs: int) -> None:
    """Check that each job ran, and once.

    Raises:
        Failed: one did not, or did twice.

    """
    reading = tally.read(place.folder)
    moments, twice = tally.starts(place.folder)
    if reading.count != jobs or reading.repeated or twice or len(moments) != jobs:
        message = (
            f"{jobs} jobs enqueued, {reading.count} runs of {len(moments)} jobs, "
            f"{reading.repeated + twice} twice"
        )
        raise Failed(message)
    if place.system.left and place.system.done:
        recorded = place.store.count(place.system.done)
        if recorded != jobs:
            message = f"{jobs} jobs ran, {recorded} results are kept"
            raise Failed(message)


def burn(place: Site, jobs: int, processes: int = 1) -> Drain:
    """Drain the backlog that is in the store."""
    place.store.settle()
    with workers(place, jobs, processes) as running:
        reading = wait(place, running, jobs)
        recorded = wait_recorded(place, jobs, reading.last)
    check(place, jobs)
    return Drain(
        jobs, reading.seconds, max((recorded - reading.first) / 1e9, 1e-9), reading.processes
    )


def drain(system: System, jobs: int, processes: int = 1) -> Drain:
    """Fill a new store with a backlog and drain it."""
    with site(system) as place:
        place.child("enqueue", jobs, system.actor)
        return burn(place, jobs, processes)


def size(system: System, scale: Scale) -> int:
    """Return how many jobs make a drain of the wanted length, by a short trial or two."""
    jobs = max(int(system.guess * scale.seconds * scale.trial), scale.least_jobs)
    while scale.trial < 1:
        seconds = drain(system, jobs).seconds
        wanted = max(int(jobs / seconds * scale.seconds * 1.25), scale.least_jobs)
        wanted -= wanted % 100
        # A short trial is mostly warming up: from it, only a step is taken.
        if seconds > scale.seconds / 6 or wanted <= jobs * 4:
            return wanted
        jobs = min(wanted, jobs * 10)
    return jobs


def rotated(systems: list[System], turn: int) -> list[System]:
    """Return the systems in the order of this round."""
    turn %= max(len(systems), 1)
    return systems[turn:] + systems[:turn]


def compare(
    systems: Iterable[System],
    rounds: int,
    measure: Callable[[System, Figure], Any],
    unit: str = "jobs/s",
) -> list[Figure]:
    """Measure each system once a round, in turns; what fails says so and stays out."""
    chosen = list(systems)
    figures = {
        system.key: Figure(
            system.label, unit, note=system.note, command=system.shown, rival=system.rival
        )
        for system in chosen
    }
    for turn in range(rounds):
        for system in rotated(chosen, turn):
            figure = figures[system.key]
            if figure.error:
                continue
            try:
                measure(system, figure)
            except Exception as error:  # whatever happens to one must not stop the others
                figure.error = f"{type(error).__name__}: {error}"
            values = ", ".join(f"{one:,.4g}" for one in figure.values[-1:])
            print(f"    {turn + 1}. {system.label}: {figure.error or values + ' ' + unit}",
                  flush=True)  # fmt: skip
    return list(figures.values())


def drains(systems: Iterable[System], scale: Scale) -> list[Figure]:
    """Drain each system in each round."""
    sizes: dict[str, int] = {}

    def measure(system: System, figure: Figure) -> None:
        if system.key not in sizes:
            sizes[system.key] = size(system, scale)
        found = drain(system, sizes[system.key])
        if found.seconds < scale.seconds * 0.8 and scale.trial < 1:  # too modest: again, longer
            sizes[system.key] = int(sizes[system.key] * scale.seconds / found.seconds * 1.1)
            found = drain(system, sizes[system.key])
        figure.values.append(found.rate)
        figure.add(RECORDED, found.recorded_rate)
        figure.note = f"{system.note}; {found.jobs:,} jobs"

    return compare(systems, scale.rounds, measure)
