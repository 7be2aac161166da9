"""What a job costs PostgreSQL, and what options cost that nobody uses."""

import time

from tests.benchmarks import catalogue
from tests.benchmarks.drain import Drain, burn, compare, drain, size
from tests.benchmarks.figures import RECORDED, Figure, Outcome
from tests.benchmarks.rows import Bench, row
from tests.benchmarks.systems import System, site

#: Sessions report what they did once a second.
REPORT = 1.5


@row("costs-postgres", "PostgreSQL, what a job costs the server")
def costs(bench: Bench, outcome: Outcome) -> None:
    systems = bench.chosen([catalogue.OURS["postgres"], catalogue.PGQUEUER, catalogue.CHANCY])
    jobs = max(int(bench.scale.seconds * 2_000), bench.scale.least_jobs)

    def measure(system: System, figure: Figure) -> None:
        with site(system) as place:
            store, before = place.store, place.store.wal()
            place.child("enqueue", jobs, system.actor)
            enqueued = store.wal()
            store.settle()
            time.sleep(REPORT)
            drained, statements = store.wal(), store.statements()
            transactions = store.transactions()
            burn(place, jobs)
            time.sleep(REPORT)
            figure.values.append((store.wal() - drained) / jobs)
            figure.add("WAL bytes, enqueue in bulk", (enqueued - before) / jobs)
            figure.add("transactions, drain", (store.transactions() - transactions) / jobs)
            if statements is not None:
                figure.add("statements, drain", ((store.statements() or 0) - statements) / jobs)

    outcome.figures = compare(systems, bench.scale.rounds, measure, "WAL bytes, drain")
    outcome.notes.append(
        f"All per job, drain of {jobs:,}. The drain begins after a checkpoint, so full-page "
        "images are in it. WAL is counted for the whole server, which must be at rest. "
        "Statements are counted where pg_stat_statements is loaded."
    )


@row("unused", "PostgreSQL, what features cost that no job uses")
def unused(bench: Bench, outcome: Outcome) -> None:
    plain = catalogue.OURS["postgres"].having(label="without")
    laden = plain.having(
        key=plain.key + "-unused",
        label="with",
        environment=(("REPID_BENCH_UNUSED", "1"),),
        note="100 more actors in 10 queues with retries and timeouts, two more connections",
    )
    jobs = size(plain, bench.scale)

    def measure(system: System, figure: Figure) -> None:
        found: Drain = drain(system, jobs)
        figure.values.append(found.rate)
        figure.add(RECORDED, found.recorded_rate)

    outcome.figures = compare([plain, laden], bench.scale.rounds, measure)
    outcome.compare("nothing to see: ≥ 0.95 × the drain without", "with", "without", 0.95)
