"""Enqueueing, one by one beside the ORM and in bulk."""

import statistics
from typing import Any

from tests.benchmarks import catalogue
from tests.benchmarks.drain import compare
from tests.benchmarks.figures import Figure, Goal, Outcome
from tests.benchmarks.rows import Bench, row
from tests.benchmarks.systems import Site, System, site

CHUNK = 10_000
MADE = "made before"
#: What is compared: ours, the ORM's, and the goals on PostgreSQL and SQLite.
KINDS = {
    "plain": ("enqueue_sync", "objects.create", 1.2, 2.5),
    "atomic": ("enqueue_sync in atomic", "objects.create in atomic", 1.2, 2.5),
    "bucket": ("enqueue_sync with args bucket", "objects.create of one row", 1.0, 2.0),
    "awaited": ("await enqueue", "await objects.acreate", 1.2, 1.2),
}


def _single(bench: Bench, outcome: Outcome, store: str, goal: int) -> None:
    scale = bench.scale
    system = catalogue.OURS[store].having(environment=(("REPID_BENCH_BUCKETED", "1"),))
    pairs: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for _ in range(scale.rounds):
        with site(system) as place:
            found = place.child("enqueues.single", scale.turns, scale.turn)
        for kind, rates in found.items():
            pairs[kind] += rates
    for kind, (ours, orm, *wanted) in KINDS.items():
        note = f"{store}, {len(pairs[kind])} turns of {scale.turn}"
        columns = list(zip(*pairs[kind], strict=True))
        for label, values in zip((ours, orm), columns, strict=True):
            median = [statistics.median(values)]
            outcome.figures.append(Figure(label, "rows/s", median, note=note))
        ratio = statistics.median(mine / theirs for mine, theirs in pairs[kind])
        text = f"{ours}: ≥ {wanted[goal]} × {orm}"
        outcome.goals.append(Goal(text, ratio, wanted[goal]))
    outcome.notes.append("Ratios are medians of the ratios of turns, taken one after the other.")


@row("enqueue-postgres", "PostgreSQL, enqueueing one by one")
def postgres(bench: Bench, outcome: Outcome) -> None:
    _single(bench, outcome, "postgres", 0)


@row("enqueue-sqlite", "SQLite, enqueueing one by one (synchronous NORMAL)")
def sqlite(bench: Bench, outcome: Outcome) -> None:
    _single(bench, outcome, "sqlite", 1)


@row("enqueue-many", "Enqueueing in bulk")
def many(bench: Bench, outcome: Outcome) -> None:
    count = max(bench.scale.bulk, 100)
    chunk = min(CHUNK, count)
    ours = [
        catalogue.OURS[store].having(label=f"django_repid, {store}") for store in catalogue.OURS
    ]
    rivals = [
        catalogue.PGQUEUER.having(label="pgqueuer, postgres", note="10,000 in a call"),
        catalogue.CHANCY.having(label="chancy, postgres", note="1,000 in a call"),
        catalogue.PROCRASTINATE.having(label="procrastinate, postgres", note="1,000 in a call"),
    ]

    def measure(system: System, figure: Figure) -> None:
        with site(system) as place:
            _many(place, figure, count, chunk)

    outcome.figures = compare(bench.chosen([*ours, *rivals]), bench.scale.rounds, measure, "rows/s")
    postgres_, sqlite_ = (outcome.figure(f"django_repid, {one}") for one in ("postgres", "sqlite"))
    for figure, wanted in ((postgres_, 60_000), (sqlite_, 100_000)):
        if figure.values:
            text = f"{figure.label}: ≥ {wanted:,}/s, Job objects made before"
            outcome.goals.append(Goal(text, figure.median(MADE), wanted, "rows/s"))
    text = "≥ 1.5 × pgqueuer, both making their jobs"
    outcome.compare(text, postgres_.label, "pgqueuer, postgres", 1.5)
    outcome.notes.append("The first figure, and those of rivals, include making the jobs.")


def _many(place: Site, figure: Figure, count: int, chunk: int) -> None:
    system = place.system
    figure.command = ""
    if system.rival:
        few = count if system.module == "rivals.pgqueuer" else max(count // 5, 100)
        figure.values.append(place.child("enqueues.many_of_rival", few, system.actor))
        return
    found: dict[str, Any] = place.child("enqueues.many", count, chunk)
    figure.values.append(found["making"])
    figure.add(MADE, found["made"])
    figure.note = f"{chunk:,} in a call"
