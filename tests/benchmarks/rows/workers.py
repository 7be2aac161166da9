"""Several worker processes on one PostgreSQL."""

from tests.benchmarks import catalogue
from tests.benchmarks.drain import compare, drain, size
from tests.benchmarks.figures import RECORDED, Figure, Outcome
from tests.benchmarks.rows import Bench, row
from tests.benchmarks.systems import System

COUNTS = (1, 2, 4)


@row("workers", "PostgreSQL, 1, 2 and 4 worker processes")
def workers(bench: Bench, outcome: Outcome) -> None:
    one = catalogue.OURS["postgres"]
    jobs = size(one, bench.scale)
    systems = [
        one.having(key=f"{one.key}-{count}", label=f"django_repid, {count}") for count in COUNTS
    ]

    def measure(system: System, figure: Figure) -> None:
        count = int(system.label.split()[-1])
        found = drain(system, jobs, count)
        figure.values.append(found.rate)
        figure.add(RECORDED, found.recorded_rate)
        figure.add("processes that ran jobs", found.processes)
        figure.note = f"{count} processes, {jobs:,} jobs, each checked to have run once"

    outcome.figures = compare(systems, bench.scale.rounds, measure)
    for count in COUNTS[1:]:
        goal = f"{count} processes ≥ 0.9 × one, no job twice"
        outcome.compare(goal, f"django_repid, {count}", "django_repid, 1", 0.9)
