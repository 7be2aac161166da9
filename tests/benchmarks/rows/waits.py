"""Jobs that wait for something else for 50 ms."""

from tests.benchmarks import catalogue
from tests.benchmarks.drain import compare, drain, size
from tests.benchmarks.figures import Figure, Goal, Outcome
from tests.benchmarks.rows import Bench, row
from tests.benchmarks.systems import MANAGE, System
from tests.benchmarks.work import PAUSE

WANTED = {100: 0.95, 1000: 0.8}


def _ours(at_once: int) -> System:
    ours = catalogue.OURS["postgres"]
    return ours.having(
        key=f"{ours.key}-io-{at_once}",
        label=f"django_repid, async, {at_once}",
        actor="pause",
        command=(*ours.command, "--concurrency", str(at_once)),
    )


def _systems() -> list[System]:
    ours = catalogue.OURS["postgres"]
    procrastinate = catalogue.PROCRASTINATE.having(
        command=(MANAGE, "procrastinate", "worker", "--concurrency", "100"), note="100 at once"
    )
    rivals = [catalogue.PGQUEUER_100, catalogue.CHANCY, procrastinate]
    threads = ours.having(
        key=f"{ours.key}-io-threads",
        label="django_repid, sync, 100",
        actor="pause_sync",
        command=(*ours.command, "--threads", "100"),
        note="100 threads, results kept",
    )
    return [
        *map(_ours, WANTED),
        threads,
        *(one.having(actor="pause", label=f"{one.label}, 100") for one in rivals),
    ]


@row("waits", "PostgreSQL, jobs that wait 50 ms, 100 and 1000 at once")
def waits(bench: Bench, outcome: Outcome) -> None:
    def measure(system: System, figure: Figure) -> None:
        at_once = int(system.label.split()[-1])
        jobs = max(int(at_once / PAUSE * bench.scale.seconds), at_once * 2)
        if system.rival:
            jobs = size(system, bench.scale)
        found = drain(system, jobs)
        figure.values.append(found.rate)
        figure.add("share of the ideal", found.rate / (at_once / PAUSE))
        figure.note = f"{system.note}; {jobs:,} jobs"

    outcome.figures = compare(bench.chosen(_systems()), bench.scale.rounds, measure)
    outcome.notes.append("The last word of a label is how many jobs may run at once.")
    for at_once, wanted in WANTED.items():
        mine = outcome.figure(f"django_repid, async, {at_once}")
        if mine.values:
            share = mine.median("share of the ideal")
            outcome.goals.append(
                Goal(f"{at_once} at once: ≥ {wanted:.0%} of the ideal rate", share, wanted)
            )
