"""Which systems there are, at the settings that they are measured with."""

from tests.benchmarks.systems import DB_WORKER, MANAGE, REPID_WORKER, RIVALS, System

_OURS = System(
    key="ours",
    label="django_repid, async",
    store="postgres",
    module="ours",
    command=REPID_WORKER,
    note="default settings, results kept",
    guess=20_000,
    left="SELECT count(*) FROM django_repid_message",
    done="SELECT count(*) FROM django_repid_bucket WHERE kind = 1",
    django=True,
)

OURS = {store: _OURS.having(key=f"ours-{store}", store=store) for store in
        ("postgres", "sqlite", "mariadb")}  # fmt: skip
#: Every message has its id there until it has ended.
OURS_REDIS = _OURS.having(key="ours-redis", store="redis", left="{repid}:ids", done="")


def as_sync(system: System) -> System:
    """Return the same with the sync actor."""
    return system.having(
        key=system.key + "-sync",
        label=system.label.replace("async", "sync"),
        actor=system.actor + "_sync",
    )


def synced(system: System, synchronous: str) -> System:
    """Return the same on SQLite with this `synchronous`."""
    return system.having(
        key=f"{system.key}-{synchronous.lower()}",
        label=f"{system.label}, {synchronous}",
        synchronous=synchronous,
    )


# ---- PostgreSQL

PGQUEUER = System(
    key="pgqueuer",
    label="pgqueuer, async",
    store="postgres",
    module="rivals.pgqueuer",
    command=("-m", f"{RIVALS}.pgqueuer", "500", "0"),
    note="asyncpg, batch 500; keeps no results",
    guess=8_000,
    left="SELECT count(*) FROM pgqueuer",
)
PGQUEUER_100 = PGQUEUER.having(
    key="pgqueuer-100",
    command=("-m", f"{RIVALS}.pgqueuer", "50", "100"),
    note="asyncpg, 100 at once, batch 50; keeps no results",
)
PGQUEUER_DEFAULT = PGQUEUER.having(
    key="pgqueuer-default",
    command=("-m", f"{RIVALS}.pgqueuer", "10", "0"),
    note="asyncpg, default batch (10); keeps no results",
)
CHANCY = System(
    key="chancy",
    label="chancy, async",
    store="postgres",
    module="rivals.chancy",
    command=("-m", f"{RIVALS}.chancy", "100"),
    note="eager polling, 100 at once",
    guess=2_000,
    done="SELECT count(*) FROM chancy_jobs WHERE state = 'succeeded'",
)
PROCRASTINATE = System(
    key="procrastinate",
    label="procrastinate, async",
    store="postgres",
    module="rivals.procrastinate",
    command=(MANAGE, "procrastinate", "worker", "--concurrency", "20"),
    note="Django app, 20 at once",
    done="SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'",
    django=True,
)
TASKS_DB = System(
    key="tasks-db",
    label="django-tasks-db, sync",
    store="postgres",
    module="rivals.django_tasks_db",
    command=DB_WORKER,
    note="interval 10 ms, CONN_MAX_AGE None; it has no concurrency",
    actor="noop_sync",
    done="SELECT count(*) FROM django_tasks_database_dbtaskresult WHERE status = 'SUCCESSFUL'",
    django=True,
)
DJANGO_Q2 = System(
    key="django-q2",
    label="django-q2, sync",
    store="postgres",
    module="rivals.django_q2",
    command=(MANAGE, "qcluster"),
    note="1 worker process, bulk 10, all results kept, CONN_MAX_AGE None",
    actor="noop_sync",
    done="SELECT count(*) FROM django_q_task WHERE success",
    django=True,
)

# ---- SQLite

HUEY_FULL = System(
    key="huey-full",
    label="huey, sync, FULL",
    store="sqlite",
    module="rivals.huey",
    command=("-m", "huey.bin.huey_consumer", f"{RIVALS}.huey.app", "-w", "1"),
    note="1 thread, its default; no result of None",
    guess=2_000,
    actor="noop_sync",
    left="SELECT count(*) FROM task",
    synchronous="FULL",
)
HUEY_OFF = HUEY_FULL.having(
    key="huey-off",
    label="huey, sync, OFF",
    note="fsync=False, 1 thread",
    guess=8_000,
    synchronous="OFF",
)
TASKS_DB_SQLITE = TASKS_DB.having(
    key="tasks-db-sqlite",
    label="django-tasks-db, sync, NORMAL",
    store="sqlite",
    synchronous="NORMAL",
)
DJANGO_Q2_SQLITE = DJANGO_Q2.having(
    key="django-q2-sqlite", label="django-q2, sync, NORMAL", store="sqlite", synchronous="NORMAL"
)

# ---- Redis

HUEY_REDIS = HUEY_FULL.having(
    key="huey-redis",
    label="huey, sync",
    store="redis",
    left="huey.redis.bench",
    synchronous="",
)
CELERY = System(
    key="celery",
    label="celery, sync",
    store="redis",
    module="rivals.celery",
    command=("-m", "celery", "-A", f"{RIVALS}.celery", "worker", "-P", "solo", "--without-gossip",
             "--without-mingle", "--without-heartbeat"),
    note="solo pool, results kept",
    guess=1_000,
    actor="noop_sync",
    done="DBSIZE",
)  # fmt: skip
DRAMATIQ = System(
    key="dramatiq",
    label="dramatiq, async",
    store="redis",
    module="rivals.dramatiq",
    command=("-m", "dramatiq", f"{RIVALS}.dramatiq", "-p", "1", "-t", "8"),
    note="asyncio middleware, 1 process, 8 threads; keeps no results",
    guess=2_000,
    left="dramatiq:default.msgs",
)
RQ = System(
    key="rq",
    label="rq, sync",
    store="redis",
    module="rivals.rq",
    command=("-m", "rq.cli", "worker", "-w", "rq.worker.SimpleWorker", "--quiet"),
    note="SimpleWorker",
    actor="noop_sync",
    done="rq:finished:default",
)
ARQ = System(
    key="arq",
    label="arq, async",
    store="redis",
    module="rivals.arq",
    command=("-m", "arq", f"{RIVALS}.arq.WorkerSettings"),
    note="100 at once, results kept",
    guess=1_000,
    left="arq:queue",
    redis5=True,
)
TASKIQ = System(
    key="taskiq",
    label="taskiq, async",
    store="redis",
    module="rivals.taskiq",
    command=("-m", "taskiq", "worker", f"{RIVALS}.taskiq:broker", "--workers", "1"),
    note="Redis stream, 1 process, results kept",
    guess=1_500,
    done="DBSIZE",
)
REPID = System(
    key="repid",
    label="repid 1.6, async",
    store="redis",
    module="rivals.repid",
    command=("-m", f"{RIVALS}.repid"),
    note="HIGH jobs only, distribution 1/0/0, results kept",
    guess=800,
    done="DBSIZE",
    redis5=True,
)

POSTGRES = [
    OURS["postgres"], as_sync(OURS["postgres"]), PGQUEUER, as_sync(PGQUEUER), CHANCY,
    PROCRASTINATE, as_sync(PROCRASTINATE), DJANGO_Q2, TASKS_DB,
]  # fmt: skip
SQLITE = [
    *(synced(OURS["sqlite"], one) for one in ("FULL", "NORMAL", "OFF")),
    *(synced(as_sync(OURS["sqlite"]), one) for one in ("FULL", "NORMAL", "OFF")),
    HUEY_FULL, HUEY_OFF, DJANGO_Q2_SQLITE, TASKS_DB_SQLITE,
]  # fmt: skip
MARIADB = [OURS["mariadb"], as_sync(OURS["mariadb"])]
REDIS = [
    OURS_REDIS, as_sync(OURS_REDIS), HUEY_REDIS, DRAMATIQ, TASKIQ, CELERY, ARQ, REPID, RQ,
]  # fmt: skip
