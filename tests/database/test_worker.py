"""A worker on the database: the ORM in actors, results, failures, connections."""

import asyncio
import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections

from django_repid import (
    BrokerUnavailable,
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    Job,
    MessageCategory,
    Queue,
    Router,
    Worker,
    discovery,
)
from django_repid.connections import connections as repid
from django_repid.core.clock import utc_now
from django_repid.core.pruning import prune
from django_repid.models import Bucket, Failure, Message, WorkerProcess
from django_repid.testing.contract.kit import Stage, new
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def burst(*routers: Router, **terms: Any) -> int:
    worker = Worker(
        routers or [discovery.router()],
        burst=True,
        handle_signals=(),
        connection="default",
        **terms,
    )
    return asyncio.run(worker.run()).processed


def test_actors_found_in_tasks_modules_run_with_their_own_terms() -> None:
    order = Order.objects.create(number=1)
    job = Job("send_receipt", args={"order_id": order.pk})
    receipt = job.enqueue_sync()

    assert receipt.key.queue == "mail"
    assert receipt.parameters.retries.max_amount == 5
    assert receipt.parameters.execution_timeout == timedelta(seconds=30)
    assert burst() == 1
    order.refresh_from_db()
    assert order.note == "sent"
    assert job.result_sync().value == "sent"  # type: ignore[union-attr]  # asserted by use


def test_what_a_job_says_goes_before_what_its_actor_says() -> None:
    job = Job("send_receipt", "elsewhere", retries=0, timeout=timedelta(seconds=2))
    receipt = job.enqueue_sync()

    assert receipt.key.queue == "elsewhere"
    assert receipt.parameters.retries.max_amount == 0
    assert receipt.parameters.execution_timeout == timedelta(seconds=2)


def test_async_actors_share_a_few_connections_and_see_their_own_writes() -> None:
    router = Router()
    threads: set[int] = set()

    @router.actor
    async def write(n: int) -> int:
        order = await Order.objects.acreate(number=n)
        threads.add((await _thread()) or 0)
        return await Order.objects.filter(pk=order.pk).acount()

    jobs = [Job("write", args={"n": n}) for n in range(60)]
    Job.enqueue_many_sync(jobs)

    assert burst(router) == 60
    assert Order.objects.count() == 60
    assert {job.result_sync().value for job in jobs} == {1}  # type: ignore[union-attr]  # as above
    assert 1 < len(threads) <= repid["default"].options.database_lanes


async def _thread() -> int | None:
    return await sync_to_async(threading.get_ident)()


def test_every_failing_attempt_is_kept_with_its_traceback() -> None:
    router = Router()

    @router.actor(retries=1, retry_policy=lambda retry_number=1: timedelta(0))
    def fail() -> None:
        raise ValueError("bad \x00 byte and \ud800")

    job = Job(fail)
    receipt = job.enqueue_sync()
    burst(router)

    failures = list(Failure.objects.order_by("pk"))
    assert [failure.number for failure in failures] == [1, 2]
    assert {failure.message_key for failure in failures} == {receipt.key.pk}
    assert {failure.exception for failure in failures} == {"ValueError"}
    assert len({failure.fingerprint for failure in failures}) == 1
    assert "in fail" in failures[0].traceback
    assert "\\x00" in failures[0].text
    dead = Message.objects.get()
    assert dead.state == Message.State.DEAD
    assert dead.dead_reason.startswith("ValueError: bad")


def test_a_dead_letter_can_be_rescheduled() -> None:
    router = Router()
    working = threading.Event()

    @router.actor
    def sometimes() -> str:
        if not working.is_set():
            raise OSError("down")
        return "up"

    job = Job(sometimes)
    job.enqueue_sync()
    burst(router)
    working.set()

    async def reschedule() -> None:
        queue = Queue("default")
        async for message in queue.get_messages(category=MessageCategory.DEAD):
            await message.reschedule()
        await sync_to_async(connections.close_all)()

    asyncio.run(reschedule())

    assert burst(router) == 1
    assert job.result_sync().value == "up"  # type: ignore[union-attr]  # as above


def test_a_finished_job_leaves_its_arguments_beside_its_result() -> None:
    job = Job("add", args={"a": 1, "b": 2}, headers={"tenant": "x"})
    receipt = job.enqueue_sync()
    burst()

    bucket = Bucket.objects.get(bucket_id=job.result_id)
    assert (bucket.topic, bucket.message_id, bucket.payload) == (
        "add",
        receipt.key.id_,
        '{"a":1,"b":2}',
    )
    assert bucket.finished_ns is not None
    assert bucket.started_ns is not None
    assert bucket.finished_ns >= bucket.started_ns
    assert bucket.worker
    assert not Message.objects.exists()


def test_a_worker_leaves_no_connection_and_no_row_behind() -> None:
    Job.enqueue_many_sync([Job("add", args={"a": 1, "b": 2}), Job("count_orders")])
    burst()

    assert not WorkerProcess.objects.exists()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            assert cursor.fetchone()[0] == 0


def test_a_transaction_that_an_actor_leaves_open_does_not_reach_the_next_job() -> None:
    router = Router()

    @router.actor
    def leave_open() -> None:
        connection.set_autocommit(False)
        Order.objects.create(number=666)

    @router.actor
    def write() -> None:
        Order.objects.create(number=1)

    Job(leave_open, priority=9).enqueue_sync()
    burst(router, threads=1)
    Job(write).enqueue_sync()
    burst(router, threads=1)

    assert list(Order.objects.values_list("number", flat=True)) == [1]


def test_pruning_removes_expired_results_and_old_dead_letters() -> None:
    job, short = Job("fail"), Job("add", args={"a": 1, "b": 1}, result_ttl=timedelta(seconds=1))
    Job.enqueue_many_sync([job, short])
    burst()
    assert short.result_sync() is not None
    day = 86_400_000_000
    Message.objects.update(run_at=1)
    Failure.objects.update(failed_at=1)
    Bucket.objects.filter(bucket_id=short.result_id).update(
        expires_at=repid["default"].message_broker.now_us() - day
    )

    assert short.result_sync() is None
    counted = prune(repid["default"], dry_run=True)
    pruned = prune(repid["default"])

    assert counted == pruned
    assert pruned == {"dead jobs": 1, "failures": 1, "statistics": 0, "expired buckets": 1}
    assert Bucket.objects.get().bucket_id == job.result_id


def test_deferring_is_by_the_databases_clock() -> None:
    receipt = Job("add", deferred_until=utc_now() + timedelta(hours=1)).enqueue_sync()

    message = Message.objects.get(message_id=receipt.key.id_)

    assert burst() == 0
    assert message.run_at - message.enqueued_at == pytest.approx(3_600_000_000, abs=5_000_000)


def test_a_message_in_a_newer_format_is_left_to_newer_workers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """During a rolling upgrade the old workers go on with what they can read."""
    new, old = Job("add", args={"a": 1, "b": 1}), Job("add", args={"a": 1, "b": 1}, priority=1)
    receipt = new.enqueue_sync()
    old.enqueue_sync()
    Message.objects.filter(message_id=receipt.key.id_).update(spec='{"v":99,"at":1}')

    with caplog.at_level(logging.WARNING, "django_repid"):
        assert burst() == 1

    message = Message.objects.get()
    assert (message.state, message.tries, message.worker_id) == (Message.State.READY, 0, None)
    assert "left to newer workers" in caplog.text
    assert old.result_sync() is not None


def test_a_claim_whose_arguments_cannot_be_fetched_is_handed_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise it would stay claimed as long as its worker lives."""
    buckets = DatabaseBucketBroker(use_result_bucket=True)
    real, failures = buckets.get, iter(range(2))

    def get(ids: Any) -> Any:
        if next(failures, None) is not None:
            raise BrokerUnavailable("the bucket store is away")
        return real(ids)

    there = Connection(DatabaseMessageBroker(), buckets, buckets)
    job = Job("add", args={"a": 1, "b": 1}, connection=there)
    job.enqueue_sync()
    monkeypatch.setattr(buckets, "get", get)

    worker = Worker([discovery.router()], burst=True, handle_signals=(), connection=there)

    assert asyncio.run(worker.run()).processed == 1
    assert not Message.objects.exists()


def test_what_a_claim_has_taken_is_returned_though_it_could_not_look_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = DatabaseMessageBroker()
    stage = Stage(Connection(broker))
    stage.enqueue(*[new() for _ in range(3)])
    assert len(stage.claim(1)) == 1  # it knows of the others now

    def fail(self: DatabaseMessageBroker) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(DatabaseMessageBroker, "_find_heads", fail)

    assert len(stage.claim(100)) == 2
    stage.close()
