"""How soon: an idle worker, a closed loop, a web request beside a busy worker."""

import time

from tests.benchmarks import catalogue
from tests.benchmarks.drain import compare, size, wait, workers
from tests.benchmarks.figures import Figure, Outcome, percentile
from tests.benchmarks.rows import Bench, row
from tests.benchmarks.systems import Site, System, answer, site
from tests.benchmarks.tally import starts

SETTLE = 2.0
WINDOW = 10
LOOP_RATE = 400
HUEY_SOON = catalogue.HUEY_OFF.having(
    label="huey, sqlite, OFF",
    command=(*catalogue.HUEY_OFF.command, "-d", "0.01", "-m", "0.02"),
    note="fsync=False, 1 thread, looks each 10 to 20 ms",
)


def _spread(figure: Figure, pool: list[float], fresh: list[float], worst: bool = False) -> None:
    """Add a round's median, and the tail of all rounds together."""
    pool += fresh
    figure.values.append(percentile(fresh, 50))
    figure.also["p99"] = [percentile(pool, 99)]
    if worst:
        figure.also["max"] = [max(pool)]
    figure.also["samples"] = [len(pool)]


def _waits(place: Site, moments: list[int]) -> list[float]:
    """Return how long each job waited for its start, in ms; the first one is a warm-up."""
    begun, _ = starts(place.folder)
    return [(begun[number] - moments[number]) / 1e6 for number in range(1, len(moments))]


@row("pickup", "Pick-up by an idle worker, ms from just before the enqueue to the actor's start")
def pickup(bench: Bench, outcome: Outcome) -> None:
    ours = [one.having(label=f"django_repid, {one.store}") for one in catalogue.OURS.values()]
    rivals = [
        catalogue.PGQUEUER_DEFAULT.having(label="pgqueuer, postgres"),
        catalogue.OURS_REDIS.having(label="django_repid, redis"),
        catalogue.HUEY_REDIS.having(label="huey, redis"),
    ]
    pools: dict[str, list[float]] = {}
    count = bench.scale.samples + 1

    def measure(system: System, figure: Figure) -> None:
        with site(system) as place, workers(place, count) as running:
            time.sleep(SETTLE)
            moments = place.child("clients.pickup", system.actor, count, jobs=count)
            wait(place, running, count)
            fresh = _waits(place, moments)
        _spread(figure, pools.setdefault(system.key, []), fresh)

    outcome.figures = compare(bench.chosen([*ours, *rivals]), bench.scale.rounds, measure, "ms")
    postgres, sqlite, mariadb = (outcome.figure(one.label) for one in ours)
    other = outcome.figure("pgqueuer, postgres")
    outcome.limit("PostgreSQL: p50 ≤ pgqueuer's", postgres.value, other.value, "ms")
    outcome.limit("PostgreSQL: p99 ≤ 6 ms", postgres.median("p99"), 6, "ms")
    outcome.limit("SQLite: p50 ≤ 1.5 ms", sqlite.value, 1.5, "ms")
    outcome.limit("SQLite: p99 ≤ 5 ms", sqlite.median("p99"), 5, "ms")
    outcome.limit("MariaDB: p50 ≤ 5 ms", mariadb.value, 5, "ms")
    redis, huey = outcome.figure("django_repid, redis"), outcome.figure("huey, redis")
    outcome.limit("Redis: p50 ≤ huey's", redis.value, huey.value, "ms")


@row("closed-loop", "Closed loop: single enqueues beside a worker, at most 10 jobs under way")
def closed_loop(bench: Bench, outcome: Outcome) -> None:
    ours = [one.having(label=f"django_repid, {one.store}") for one in catalogue.OURS.values()]
    rivals = [
        catalogue.PGQUEUER_DEFAULT.having(label="pgqueuer, postgres"),
        catalogue.CHANCY.having(label="chancy, postgres"),
        catalogue.PROCRASTINATE.having(label="procrastinate, postgres"),
        HUEY_SOON,
        catalogue.OURS_REDIS.having(label="django_repid, redis"),
        catalogue.HUEY_REDIS.having(label="huey, redis"),
    ]
    pools: dict[str, list[float]] = {}
    count = max(int(LOOP_RATE * bench.scale.seconds), bench.scale.least_jobs)

    def measure(system: System, figure: Figure) -> None:
        with site(system) as place, workers(place, count) as running:
            time.sleep(SETTLE)
            moments = place.child("clients.closed", system.actor, count, WINDOW, jobs=count)
            reading = wait(place, running, count)
            fresh = _waits(place, moments)
        pool = pools.setdefault(system.key, [])
        _spread(figure, pool, fresh)
        figure.values[-1] = count / ((reading.last - moments[0]) / 1e9)
        figure.also["p50, ms"] = [percentile(pool, 50)]
        figure.also["p99, ms"] = figure.also.pop("p99")

    outcome.figures = compare(bench.chosen([*ours, *rivals]), bench.scale.rounds, measure)
    outcome.notes.append("p50 and p99: from just before the enqueue to the start of the job.")


@row("web-insert", "SQLite: a web request's INSERT beside a busy worker, ms")
def web_insert(bench: Bench, outcome: Outcome) -> None:
    ours = catalogue.OURS["sqlite"]
    systems = [catalogue.synced(ours, one) for one in ("NORMAL", "FULL")]
    jobs = size(systems[0], bench.scale)
    pools: dict[str, list[float]] = {}

    def measure(system: System, figure: Figure) -> None:
        with site(system) as place:
            place.child("enqueue", jobs, system.actor)
            place.store.settle()
            with place.start_child("web.inserts", jobs, jobs=jobs) as inserting:
                assert inserting.stdout is not None
                inserting.stdout.readline()  # it is ready
                with workers(place, jobs) as running:
                    wait(place, running, jobs)
                fresh = answer(inserting)
        _spread(figure, pools.setdefault(system.key, []), fresh, worst=True)
        figure.note = f"one INSERT each 5 ms while {jobs:,} jobs are drained"

    outcome.figures = compare(systems, bench.scale.rounds, measure, "ms")
    outcome.notes.append("The last word of a label is the value of `PRAGMA synchronous`.")
    figure = outcome.figures[0]
    outcome.limit("NORMAL: p99 ≤ 5 ms", figure.median("p99"), 5, "ms")
    outcome.limit("NORMAL: max ≤ 20 ms", figure.median("max"), 20, "ms")
