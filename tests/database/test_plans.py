"""Every statement of the hot paths goes by an index, however much else lies in the tables.

The table is filled with ready messages of an actor that nobody knows, with deferred ones of high
priority and with dead ones: REPID_PLAN_ROWS of each (50,000).
"""

import os
import re
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_repid import Connection, DatabaseBucketBroker, DatabaseMessageBroker
from django_repid.core import clock
from django_repid.core.settlement import gone
from django_repid.testing.contract.kit import HOUR, Stage, new, record

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

ROWS = int(os.environ.get("REPID_PLAN_ROWS", "50000"))
SERIES = {
    "postgresql": "generate_series(1, {0}) AS n(n)",
    "sqlite": "(WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {0}) "
    "SELECT n FROM n) AS n",
    "mysql": "(SELECT seq AS n FROM seq_1_to_{0}) AS n",
}
TABLES = ("django_repid_message", "django_repid_bucket")


def fill(kind: str, *, topic: str, priority: int, state: int, run_at: int) -> None:
    text = "n.n" if connection.vendor == "sqlite" else "CAST(n.n AS CHAR(12))"
    name = f"'{kind}-' || {text}" if connection.vendor != "mysql" else f"CONCAT('{kind}-', n.n)"
    series = SERIES[connection.vendor].format(ROWS)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_repid_message (message_id, queue, topic, priority, state, run_at, "
            "due_at, enqueued_at, lease, tries, crashes, suspicion, cancel_asked, args_generated, "
            f"payload, dead_reason, spec, headers) SELECT {name}, 'default', '{topic}', "
            f"{priority}, {state}, {run_at} + n.n, {run_at} + n.n, {run_at}, 0, 0, 0, 0, FALSE, "
            f"FALSE, '{{}}', '', '{{\"v\":1,\"at\":1}}', '' FROM {series}"
        )


def fill_buckets(now: int) -> None:
    name = "CONCAT('b-', n.n)" if connection.vendor == "mysql" else "'b-' || n.n"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_repid_bucket (bucket_id, kind, generated, data, stored_at, "
            f"expires_at) SELECT {name}, 1, FALSE, 'null', {now}, {now + 24 * HOUR} + n.n FROM "
            f"{SERIES[connection.vendor].format(ROWS)}"
        )
        if connection.vendor == "mysql":
            cursor.execute(f"ANALYZE TABLE {', '.join(TABLES)}")
            cursor.fetchall()
        else:
            for table in TABLES:
                cursor.execute(f"ANALYZE {table}")


@pytest.fixture
def stage() -> Iterator[Stage]:
    results = DatabaseBucketBroker(use_result_bucket=True)
    stage = Stage(Connection(DatabaseMessageBroker(bell=False), None, results))
    now = stage.broker.now_us()
    fill("ready", topic="stranger", priority=5, state=0, run_at=now - HOUR)
    fill("later", topic="work", priority=9, state=0, run_at=now + HOUR)
    fill("dead", topic="work", priority=5, state=2, run_at=now - HOUR)
    fill_buckets(now)
    yield stage
    stage.close()


def executed(action: Callable[[], object]) -> list[str]:
    """Return the statements that an action executes on our tables."""
    with CaptureQueriesContext(connection) as captured:
        action()
    found = [query["sql"] for query in captured]
    ours = [sql for sql in found if any(table in sql for table in TABLES)]
    # An INSERT of VALUES has no plan to speak of, and many rows of them are one text.
    return [
        sql for sql in ours if not re.match(r"\s*(\d+ times: )?INSERT INTO \S+ \(.*VALUES", sql)
    ]


def faults(sql: str) -> list[str]:
    """Return the lines of a statement's plan that read a whole table, or sort under a lock."""
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(explain + re.sub(r"^\d+ times: ", "", sql).replace("%", "%%"), [])
        rows = cursor.fetchall()
    if connection.vendor == "mysql":  # id, select_type, table, type, possible_keys, key, …, Extra
        mine = [row for row in rows if str(row[2]) in (*TABLES, "m")]
        whole = [str(row) for row in mine if row[3] == "ALL"]
        locks = "FOR UPDATE" in sql
        return whole + [str(row) for row in mine if locks and "filesort" in str(row[-1])]
    lines = [str(row[-1]) for row in rows]
    if connection.vendor == "postgresql":
        return [line for line in lines if any(f"Seq Scan on {table}" in line for table in TABLES)]
    whole = [
        line
        for line in lines
        if re.match(r"SCAN (django_repid_|m\b)", line) and "INDEX" not in line
    ]
    if sql.lstrip().startswith("UPDATE"):
        # Driving the UPDATE by the state alone took 190 ms instead of 0.13.
        whole += [line for line in lines if line.endswith("repid_message_claim (state=?)")]
    return whole


def test_every_statement_of_the_hot_paths_goes_by_an_index(stage: Stage) -> None:
    broker, now = stage.broker, stage.broker.now_us()
    stage.enqueue(*[new(result_id=f"r{n}") for n in range(50)])
    stage.enqueue(*[new(queue="mail", priority=7) for _ in range(50)])
    other = stage.register("another")

    def settle() -> None:
        messages = stage.claim(20)
        records = [record(f"x{n}", now=now) for n in range(len(messages))]
        pairs = zip(messages, records, strict=True)
        stage.settle(*[gone(message, result=one, processed=True) for message, one in pairs])

    actions: dict[str, Callable[[], object]] = {
        "claim of several heads": lambda: stage.claim(10),
        "claim of one head": lambda: stage.claim(10, queues={"mail"}),
        "claim and settle": settle,
        "claim that finds nothing": lambda: stage.claim(topics=["nobody"]),
        "rescue": lambda: (stage.claim(10, worker_id=other), broker.rescue(other, 0)),
        "beat": lambda: broker.beat(stage.worker_id),
        "freeing": lambda: broker.free(["some-bucket", "another-bucket"]),
        "result": lambda: stage.result("b-17"),
        "prune of the dead": lambda: broker.prune(now - 2 * HOUR, 0),
        "prune of what has expired": lambda: DatabaseBucketBroker().prune(),
        "enqueue of a chosen id": lambda: stage.enqueue(new(id_="mine")),
    }
    wrong = {}
    for name, action in actions.items():
        statements = executed(action)
        assert statements or name.startswith("enqueue"), name
        for sql in statements:
            if found := faults(sql):
                wrong[f"{name}: {sql[:300]}"] = found

    assert not wrong, "\n".join(f"{key}\n    {value}" for key, value in wrong.items())
    assert clock.now_us() - now < 60 * 1_000_000
