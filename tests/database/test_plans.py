"""The statements of the hot paths keep their indexes, however many rows of other kinds there are.

REPID_PLAN_ROWS: how many there are of each kind; a million shows more than the default does.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from django_repid import Connection, DatabaseBucketBroker, DatabaseMessageBroker
from django_repid.core import clock
from django_repid.core.message import StoredMessage
from django_repid.insight import snapshot
from django_repid.insight.reader import readers
from django_repid.models import Bucket, Failure, Message, WorkerProcess
from django_repid.testing.contract.kit import HOUR, Stage, ack, bury, new, record, retry
from tests.database.plans import BUCKET, MESSAGE, PRIMARY_KEY, Access, Plan, Recorder
from tests.settings import DATABASE

pytestmark = [pytest.mark.store, pytest.mark.django_db, pytest.mark.timeout(600)]

ROWS = int(os.environ.get("REPID_PLAN_ROWS", "100000"))
RUNNING = 1000
CLAIM, WORKER, WAITS_FOR, TICK, EXPIRES = (
    "repid_message_claim", "repid_message_worker", "repid_message_waits_for",
    "repid_message_tick", "repid_bucket_expires",
)  # fmt: skip
TO_THE_DUE_TIME = {"state", "queue", "topic", "priority", "run_at"}


def series(count: int) -> str:
    return {
        "postgresql": f"generate_series(1, {count}) AS s(n)",
        "mysql": f"(SELECT seq AS n FROM seq_1_to_{count}) AS s",
        "sqlite": "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s "
        f"WHERE n < {count}) SELECT n FROM s) AS s",
    }[connection.vendor]


def numbered(text: str, number: str) -> str:
    if connection.vendor == "mysql":
        return f"CONCAT('{text}', {number})"
    return f"'{text}' || ({number})"


def fill() -> None:
    """Three kinds of messages take turns, so that no part of the table is free of one."""
    now = clock.now_us()
    values = {
        "message_id": numbered("fill", "n"),
        "queue": "'default'",
        "topic": f"CASE n % 3 WHEN 0 THEN {numbered('foreign', 'n % 20')} ELSE 'work' END",
        "priority": "CASE n % 3 WHEN 1 THEN 9 ELSE 5 END",
        "state": "CASE n % 3 WHEN 2 THEN 2 ELSE 0 END",
        "run_at": f"{now} + n + CASE n % 3 WHEN 1 THEN {24 * HOUR} ELSE {-HOUR} END",
        "due_at": str(now),
        "enqueued_at": str(now),
        "lease": "1", "tries": "0", "crashes": "0", "suspicion": "0", "cancel_asked": "FALSE",
        "args_generated": "FALSE", "dead_reason": "''", "headers": "''", "payload": "'{}'",
        "worker_id": "NULL",
        "spec": """'{"v":1,"at":1}'""",
        # Jobs that wait for another's result are deferred ones.
        "waits_for": f"CASE n % 30 WHEN 1 THEN {numbered('link', 'n')} ELSE NULL END",
    }  # fmt: skip
    running = {
        **values, "message_id": numbered("run", "n"), "state": "1", "topic": "'work'",
        "priority": "5", "worker_id": "1000000 + n % 50", "waits_for": "NULL",
    }  # fmt: skip
    bucket = {
        "bucket_id": numbered("fill", "n"), "kind": "1", "generated": "FALSE", "data": "'{}'",
        "stored_at": str(now),
        "expires_at": f"CASE n % 2 WHEN 0 THEN {now + 24 * HOUR} + n ELSE NULL END",
    }  # fmt: skip
    with connection.cursor() as cursor:
        filling = ((MESSAGE, values, 3 * ROWS), (MESSAGE, running, RUNNING), (BUCKET, bucket, ROWS))
        for table, columns, count in filling:
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
                f"FROM {series(count)}"
            )
    analyze()


def analyze() -> None:
    with connection.cursor() as cursor:
        for table in (MESSAGE, BUCKET):
            cursor.execute(f"ANALYZE {'TABLE ' if connection.vendor == 'mysql' else ''}{table}")
            if connection.vendor == "mysql":
                cursor.fetchall()


def empty() -> None:
    with connection.cursor() as cursor:
        for table in (MESSAGE, BUCKET):
            words = "DELETE FROM" if connection.vendor == "sqlite" else "TRUNCATE TABLE"
            cursor.execute(f"{words} {table}")
    analyze()


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        empty()
        fill()
    yield
    with django_db_blocker.unblock():
        empty()


@contextmanager
def without_statistics() -> Iterator[None]:
    """Let SQLite plan as where nobody has ever run ANALYZE: on nearly every SQLite there is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tbl, idx, stat FROM sqlite_stat1")
        known = cursor.fetchall()
        cursor.execute("DELETE FROM sqlite_stat1")
        cursor.execute("ANALYZE sqlite_schema")  # reads them again
        yield
        cursor.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (%s, %s, %s)", known)
        cursor.execute("ANALYZE sqlite_schema")


@pytest.fixture(params=["analyzed", "never analyzed"] if DATABASE == "sqlite" else ["analyzed"])
def stage(request: pytest.FixtureRequest, filled: None, db: None) -> Iterator[Stage]:
    buckets = DatabaseBucketBroker(use_result_bucket=True)
    stage = Stage(Connection(DatabaseMessageBroker(bell=False), buckets, buckets))
    with nullcontext() if request.param == "analyzed" else without_statistics():
        yield stage
    stage.close()


def plans_of(action: Callable[[], object]) -> list[Plan]:
    """Return the plans of what an action executes; none reads all of a table or an index."""
    recorder = Recorder(connection)
    with connection.execute_wrapper(recorder):
        action()
    assert recorder.plans
    for plan in recorder.plans:
        assert not any(access.is_full for access in plan.accesses), plan
        if plan.locks and connection.vendor == "mysql":
            assert not plan.sorts, plan
    return recorder.plans


def ways(plans: list[Plan], table: str) -> set[str | None]:
    return {access.index for plan in plans for access in plan.accesses if access.table == table}


def by_claim_index(plans: list[Plan]) -> list[Access]:
    found = [access for plan in plans for access in plan.accesses if access.index == CLAIM]
    assert found, plans
    return found


def show(plans: list[Plan]) -> str:
    return "\n".join(map(str, plans))


def claimed(stage: Stage, count: int = 20) -> list[StoredMessage]:
    stage.enqueue(*[new(result_id=f"r{n}") for n in range(count)])
    messages = stage.claim(count)
    assert len(messages) == count
    return messages


def look(stage: Stage) -> None:
    """Let the broker learn of its heads, so that its next claim does nothing but claim."""
    stage.claim(topics=["nobody"])


def assert_claims_by_index(plans: list[Plan]) -> None:
    assert ways(plans, MESSAGE) == {CLAIM, PRIMARY_KEY}, show(plans)
    for access in by_claim_index(plans):
        assert access.by >= TO_THE_DUE_TIME, show(plans)
        assert "run_at" not in access.condition or connection.vendor == "mysql", show(plans)


def test_a_claim_of_one_head_goes_down_the_index_to_the_due_time(stage: Stage) -> None:
    stage.enqueue(*[new() for _ in range(30)])
    look(stage)
    messages: list[StoredMessage] = []

    plans = plans_of(lambda: messages.extend(stage.claim(10, busy=True)))

    assert len(messages) == 10
    assert_claims_by_index(plans)
    if connection.vendor == "postgresql":
        assert not any(plan.sorts for plan in plans), show(plans)


def test_a_claim_of_several_queues_and_topics_goes_down_the_index_once_for_each(
    stage: Stage,
) -> None:
    heads = [(queue, topic) for queue in ("default", "mail", "print") for topic in ("work", "fax")]
    stage.enqueue(*[new(topic, queue=queue) for queue, topic in heads for _ in range(10)])
    look(stage)
    messages: list[StoredMessage] = []

    plans = plans_of(lambda: messages.extend(stage.claim(12, ["work", "fax"], busy=True)))

    assert len(messages) == 12
    assert len({message.key.queue for message in messages}) == 3
    assert_claims_by_index(plans)


def test_a_claim_finds_its_index_also_while_another_claims(stage: Stage) -> None:
    """Estimates of running rows change with every claim; the plan must not."""
    claimed(stage, 400)
    stage.enqueue(*[new(priority=priority) for priority in (1, 5, 7) for _ in range(100)])
    look(stage)

    assert_claims_by_index(plans_of(lambda: stage.claim(100, busy=True)))


def test_a_look_at_the_heads_jumps_from_one_to_the_next(stage: Stage) -> None:
    plans = plans_of(lambda: look(stage))

    assert len(plans) == 1
    assert ways(plans, MESSAGE) <= {CLAIM, PRIMARY_KEY}, show(plans)
    assert CLAIM in ways(plans, MESSAGE), show(plans)
    if connection.vendor == "mysql":
        assert "using_index_for_group_by" in plans[0].text, show(plans)
    assert not plans[0].sorts, show(plans)


def test_successes_are_settled_by_their_keys(stage: Stage) -> None:
    messages, now = claimed(stage), stage.broker.now_us()
    records = [record(f"result{n}", now=now) for n in range(len(messages))]
    pairs = list(zip(messages, records, strict=True))
    for message, one in pairs:
        one.origin = message  # as a worker has it: else PostgreSQL goes the longer way

    plans = plans_of(lambda: stage.settle(*[ack(message, one) for message, one in pairs]))

    assert Bucket.objects.filter(bucket_id__startswith="result").count() == len(messages)
    assert ways(plans, MESSAGE) == {PRIMARY_KEY, WAITS_FOR}, show(plans)
    if connection.vendor == "postgresql":
        assert len(plans) == 1


def test_failures_with_results_are_settled_by_their_keys(stage: Stage) -> None:
    messages, now = claimed(stage), stage.broker.now_us()
    ends = [
        bury(message, at=now, result=record(f"result{n}", success=False, now=now))
        for n, message in enumerate(messages)
    ]

    plans = plans_of(lambda: stage.settle(*ends))

    assert ways(plans, MESSAGE) == {PRIMARY_KEY, WAITS_FOR}, show(plans)


def test_a_single_success_without_a_result_is_settled_by_its_key(stage: Stage) -> None:
    (message,) = claimed(stage, 1)

    plans = plans_of(lambda: stage.broker.settle([ack(message)]))

    assert ways(plans, MESSAGE) == {PRIMARY_KEY}, show(plans)


def test_many_successes_are_settled_by_their_keys(stage: Stage) -> None:
    messages = claimed(stage, 500)

    plans = plans_of(lambda: stage.broker.settle([ack(message) for message in messages]))

    assert ways(plans, MESSAGE) == {PRIMARY_KEY}, show(plans)


def test_retries_and_dead_letters_are_settled_by_their_keys(stage: Stage) -> None:
    messages, now = claimed(stage), stage.broker.now_us()
    ends = [retry(message, run_at=now) for message in messages[:10]]
    ends += [bury(message, at=now) for message in messages[10:]]

    plans = plans_of(lambda: stage.settle(*ends))

    assert ways(plans, MESSAGE) == {PRIMARY_KEY}, show(plans)


def test_what_a_dead_worker_ran_is_found_by_its_number(stage: Stage) -> None:
    messages = claimed(stage)
    other = stage.register("another")
    lost = [message.key.pk or 0 for message in messages[:15]]
    Message.objects.filter(pk__in=lost).update(worker_id=other)
    freed: list[int] = []

    plans = plans_of(lambda: freed.append(stage.broker.rescue(other, 0)))

    assert freed == [15]
    assert ways(plans, MESSAGE) == {WORKER, PRIMARY_KEY}, show(plans)


def test_a_beat_finds_what_is_to_be_stopped_by_the_workers_number(stage: Stage) -> None:
    claimed(stage)

    plans = plans_of(lambda: stage.broker.beat(stage.worker_id))

    assert ways(plans, MESSAGE) == {WORKER}, show(plans)


def test_what_waits_for_a_bucket_is_found_by_the_buckets_id(stage: Stage) -> None:
    plans = plans_of(lambda: stage.broker.free(["link1", "link31", "no-such-link"]))

    assert Message.objects.filter(message_id="fill1", waits_for=None).exists()
    assert ways(plans, MESSAGE) == {WAITS_FOR}, show(plans)


def test_expired_buckets_are_found_by_their_end(stage: Stage) -> None:
    Bucket.objects.filter(bucket_id__in=[f"fill{n}" for n in range(2, 100, 2)]).update(expires_at=1)
    pruned: list[int] = []

    plans = plans_of(lambda: pruned.append(DatabaseBucketBroker().prune()))

    assert pruned == [49]
    assert EXPIRES in ways(plans, BUCKET), show(plans)
    assert ways(plans, BUCKET) <= {EXPIRES, PRIMARY_KEY}, show(plans)


def test_dead_messages_are_pruned_along_the_claims_index(stage: Stage) -> None:
    ids = [f"fill{n}" for n in range(2, 90, 3)]
    assert Message.objects.filter(message_id__in=ids, state=2).update(run_at=5) == len(ids)
    pruned: list[int] = []

    plans = plans_of(lambda: pruned.append(stage.broker.prune(10, 0)["dead jobs"]))

    assert pruned == [len(ids)]
    assert ways(plans, MESSAGE) == {CLAIM, PRIMARY_KEY}, show(plans)


def test_orphans_are_found_by_an_index(stage: Stage) -> None:
    WorkerProcess.objects.bulk_create(
        WorkerProcess(id=1_000_000 + n, beat=0, beat_at=0, started_at=0, draining=False, pid=n)
        for n in range(50)
    )
    plans_of(stage.broker.rescue_orphans)


def test_a_look_at_the_whole_store_goes_by_indexes(stage: Stage) -> None:
    """Counts end at a cap, and what has failed is looked up by its keys."""
    claimed(stage)
    stage.enqueue(new(id_="often", run_at=clock.now_us() + HOUR))
    Message.objects.filter(message_id="often").update(tick=clock.now_us() + HOUR)
    Failure.objects.bulk_create(
        Failure(
            message_key=key, message_id=f"fill{key}", topic="work", queue="default", number=1,
            lease=1, failed_at=clock.now_us(), duration_us=1, fingerprint="f", text="no",
        )
        for key in Message.objects.filter(state=2).order_by("pk").values_list("pk", flat=True)[:90]
    )  # fmt: skip
    seen: list[snapshot.Snapshot] = []

    plans = plans_of(lambda: seen.append(snapshot.look(readers()["default"])))

    queue = seen[0].queue("default")
    assert (queue.due, queue.running >= 20) == (min(queue.due, 10_001 * 21), True)
    assert seen[0].causes.found[0].dead == 90
    assert ways(plans, MESSAGE) <= {CLAIM, WORKER, TICK, PRIMARY_KEY}, show(plans)
