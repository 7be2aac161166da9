"""Drains of a backlog, store by store."""

from tests.benchmarks import catalogue
from tests.benchmarks.drain import compare, drains, size
from tests.benchmarks.figures import Figure, Goal, Outcome
from tests.benchmarks.rows import Bench, row
from tests.benchmarks.systems import System, site

RAW_BATCH = 100


@row("drain-postgres", "PostgreSQL, drain of a backlog")
def postgres(bench: Bench, outcome: Outcome) -> None:
    outcome.figures = drains(bench.chosen(catalogue.POSTGRES), bench.scale)
    ours, ours_sync = "django_repid, async", "django_repid, sync"
    rival = "pgqueuer, async"
    outcome.compare("async, results stored: ≥ 1.3 × pgqueuer's best", ours, rival, 1.3)
    outcome.compare("async: ≥ 40 × procrastinate", ours, "procrastinate, async", 40)
    outcome.compare("sync: ≥ 2 × pgqueuer's sync", ours_sync, "pgqueuer, sync", 2)
    outcome.compare("sync: ≥ 40 × django-tasks-db", ours_sync, "django-tasks-db, sync", 40)


@row("drain-sqlite", "SQLite, drain of a backlog")
def sqlite(bench: Bench, outcome: Outcome) -> None:
    outcome.figures = drains(bench.chosen(catalogue.SQLITE), bench.scale)
    outcome.notes.append("The last word of a label is the value of `PRAGMA synchronous`.")
    ours, tasks_db = "django_repid, async, {}", "django-tasks-db, sync, NORMAL"
    outcome.compare("≥ 6 × huey, both at FULL", ours.format("FULL"), "huey, sync, FULL", 6)
    outcome.compare("≥ 1.5 × huey, both at OFF", ours.format("OFF"), "huey, sync, OFF", 1.5)
    outcome.compare("≥ 40 × django-tasks-db, both at NORMAL", ours.format("NORMAL"), tasks_db, 40)


@row("drain-redis", "Redis, drain of a backlog")
def redis(bench: Bench, outcome: Outcome) -> None:
    outcome.figures = drains(bench.chosen(catalogue.REDIS), bench.scale)
    ours = "django_repid, async"
    outcome.compare("async, results stored: ≥ 4 × huey", ours, "huey, sync", 4)
    outcome.compare("async: ≥ 15 × repid 1.6 at its best", ours, "repid 1.6, async", 15)


@row("drain-mariadb", "MariaDB, drain of a backlog")
def mariadb(bench: Bench, outcome: Outcome) -> None:
    outcome.figures = drains(catalogue.MARIADB, bench.scale)
    ours = catalogue.OURS["mariadb"]

    def loop(system: System, figure: Figure) -> None:
        jobs = size(system, bench.scale)
        with site(system) as place:
            figure.values.append(place.child("mariadb.loop", jobs, RAW_BATCH))

    [raw] = compare([ours.having(label="bare loop")], bench.scale.rounds, loop)
    raw.note = f"mysqlclient alone: claim and complete, batch {RAW_BATCH}"
    raw.command = "python -m tests.benchmarks.child mariadb.loop"
    outcome.figures.append(raw)
    mine = outcome.figure("django_repid, async")
    if mine.values:
        outcome.goals.append(Goal("async: ≥ 8,000 jobs/s", mine.counted, 8_000, "jobs/s"))
    outcome.compare("or: ≥ 0.5 × the bare loop", "django_repid, async", "bare loop", 0.5)
    outcome.notes.append("One of the two goals is enough.")
