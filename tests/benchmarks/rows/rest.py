"""Doing nothing, and beginning."""

import time

from tests.benchmarks import catalogue
from tests.benchmarks.drain import compare, wait, workers
from tests.benchmarks.figures import Figure, Outcome
from tests.benchmarks.processes import Worker
from tests.benchmarks.rows import Bench, row
from tests.benchmarks.systems import MANAGE, Site, System, site

#: django-tasks-db's worker as it comes.
DEFAULT = (MANAGE, "db_worker")
SETTLE = 3.0


@row("idle", "An idle worker")
def idle(bench: Bench, outcome: Outcome) -> None:
    ours = [one.having(label=f"django_repid, {one.store}") for one in catalogue.OURS.values()]
    rivals = [
        catalogue.PGQUEUER_DEFAULT.having(label="pgqueuer, postgres"),
        catalogue.CHANCY.having(label="chancy, postgres"),
        catalogue.PROCRASTINATE.having(label="procrastinate, postgres"),
        catalogue.TASKS_DB.having(
            label="django-tasks-db, postgres", command=DEFAULT, note="its default interval of 1 s"
        ),
    ]

    def measure(system: System, figure: Figure) -> None:
        with site(system) as place, workers(place, 0) as (worker,):
            time.sleep(SETTLE)
            _watch(place, worker, figure, bench.scale.idle_seconds)

    outcome.figures = compare(bench.chosen([*ours, *rivals]), bench.scale.rounds, measure,
                              "% of a core")  # fmt: skip
    figure = outcome.figures[0]
    counted = "statements/s" if "statements/s" in figure.also else "transactions/s"
    outcome.limit(f"PostgreSQL: ≤ 2 {counted}", figure.median(counted), 2, counted)
    for one in outcome.figures[: len(ours)]:
        outcome.limit(f"{one.label}: ≤ 1 % of a core", one.value, 1, "%")
        outcome.limit(f"{one.label}: ≤ 60 MB resident", one.median("resident, MB"), 60, "MB")
    outcome.notes.append(
        "Transactions are counted where pg_stat_statements is not loaded; a worker in autocommit "
        "has one for each statement."
    )


def _watch(place: Site, worker: Worker, figure: Figure, seconds: float) -> None:
    """Add what a worker uses in this time while it has nothing to do.

    Raises:
        RuntimeError: it has ended.

    """
    postgres = place.system.store == "postgres"
    transactions = place.store.transactions() if postgres else 0
    statements = place.store.statements() if postgres else None
    used, began = worker.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    spent = time.monotonic() - began
    if worker.ended:
        message = f"the worker ended: {worker.tail()}"
        raise RuntimeError(message)
    figure.values.append((worker.cpu_seconds() - used) / spent * 100)
    resident, proportional = worker.memory_mb()
    figure.add("resident, MB", resident)
    figure.add("PSS, MB", proportional)
    if postgres:
        figure.add("transactions/s", (place.store.transactions() - transactions) / spent)
    if statements is not None:
        figure.add("statements/s", ((place.store.statements() or 0) - statements) / spent)


@row("start", "From the start of the process to the first job, ms")
def start(bench: Bench, outcome: Outcome) -> None:
    rivals = [
        one.having(
            key=f"{one.key}-start",
            label=f"django-tasks-db, {one.store}",
            command=(*DEFAULT, "--no-startup-delay"),
            note="its random delay of up to 1 s at the start switched off",
        )
        for one in (catalogue.TASKS_DB, catalogue.TASKS_DB_SQLITE)
    ]
    ours = [
        catalogue.OURS[store].having(label=f"django_repid, {store}")
        for store in ("postgres", "sqlite")
    ]

    def measure(system: System, figure: Figure) -> None:
        with site(system) as place:
            place.child("enqueue", 1, system.actor)
            with workers(place, 1) as running:
                reading = wait(place, running, 1)
                figure.values.append((reading.first - running[0].started_ns) / 1e6)

    rounds = bench.scale.rounds * bench.scale.boots
    outcome.figures = compare(bench.chosen([*ours, *rivals]), rounds, measure, "ms")
    for store in ("postgres", "sqlite"):
        mine = outcome.figure(f"django_repid, {store}")
        other = outcome.figure(f"django-tasks-db, {store}")
        outcome.limit(
            f"{store}: ≤ 1.1 × django-tasks-db's db_worker",
            mine.value / other.value if other.values else float("nan"), 1.1, "×",
        )  # fmt: skip
