"""Recurring jobs in a worker: each occurrence once, in whatever way it ends."""

import asyncio
import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_repid import Connection, Job, MessageCategory, Queue, Router
from django_repid.core.errors import Quarantined
from django_repid.core.message import MessageState, StoredMessage
from django_repid.core.outcome import Bench
from django_repid.core.suspicion import CONVICTED
from django_repid.core.verdict import crashed
from tests import stores
from tests.worker.kit import burst, during

pytestmark = pytest.mark.usefixtures("each_store")

HOUR = timedelta(hours=1)
LONG = 20.0


def there(connection: Connection) -> StoredMessage:
    (found,) = connection.message_broker.find(["tick"])
    return found


def make_due(connection: Connection, late: timedelta = timedelta(0)) -> int:
    """Let the next occurrence be due already; return it."""
    due = connection.message_broker.now_us() - late // timedelta(microseconds=1)
    stores.change(connection, "tick", run_at=due, due_at=due, tick=due)
    return due


def hourly(connection: Connection, name: str = "work", **terms: Any) -> Job:
    job = Job(name, id_="tick", deferred_by=HOUR, connection=connection, **terms)
    job.enqueue_sync()
    return job


router = Router()


@router.actor
async def work() -> str:
    return "done"


@router.actor
async def fail() -> None:
    raise ValueError("as it should")


@router.actor
def needs(what: str) -> str:
    return what


def test_it_is_not_due_before_its_first_occurrence() -> None:
    connection = stores.connection()
    hourly(connection)

    assert burst(connection, router) == 0


def test_it_comes_again_and_again() -> None:
    connection, times = stores.connection(), threading.Semaphore(0)
    own = Router()

    @own.actor
    async def tick() -> None:
        times.release()

    Job("tick", id_="tick", deferred_by=timedelta(seconds=1), connection=connection).enqueue_sync()

    async def scene(_: Any) -> None:
        for _ in range(2):
            assert await asyncio.to_thread(times.acquire, timeout=LONG)

    during(connection, own, scene)
    assert there(connection).state is MessageState.READY


def test_a_missed_occurrence_comes_once_and_late_and_keeps_to_the_grid() -> None:
    connection = stores.connection()
    job = hourly(connection)
    due = make_due(connection, late=timedelta(hours=5, minutes=20))

    assert burst(connection, router) == 1

    assert there(connection).tick == due + 6 * 3600 * 1_000_000
    assert job.result_sync().value == "done"  # type: ignore[union-attr]  # asserted by use


def test_what_comes_due_while_one_runs_follows_at_once() -> None:
    connection, ran = stores.connection(), []
    own = Router()

    @own.actor
    async def tick() -> None:
        ran.append((await sync_to_async(there)(connection)).tick)
        if len(ran) == 1:
            await asyncio.sleep(1.2)

    Job("tick", id_="tick", deferred_by=timedelta(seconds=1), connection=connection).enqueue_sync()
    make_due(connection)

    burst(connection, own)

    assert ran[1] == (ran[0] or 0) + 1_000_000


def test_a_failure_for_good_is_kept_and_the_next_occurrence_follows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = stores.connection()
    job = hourly(connection, "fail")
    make_due(connection)

    with caplog.at_level(logging.ERROR, "django_repid.worker"):
        burst(connection, router)

    assert job.result_sync().exception == "ValueError"  # type: ignore[union-attr]  # as above
    assert there(connection).state is MessageState.READY
    assert there(connection).tries == 0
    assert "it comes again at" in caplog.text


def test_further_tries_come_before_the_next_occurrence() -> None:
    connection = stores.connection()
    hourly(connection, "fail", retries=1)
    due = make_due(connection)

    burst(connection, router)

    waiting = there(connection)
    assert (waiting.tick, waiting.tries) == (due, 1)
    assert waiting.run_at < due + 60 * 1_000_000  # the back-off, and not the hour


@pytest.mark.parametrize(
    ("terms", "late", "exception"),
    [
        ({"name": "needs"}, timedelta(0), "ArgsInvalid"),
        ({"ttl": timedelta(minutes=1)}, timedelta(minutes=2), "TtlExpired"),
        ({"args_id": "never-there", "ttl": timedelta(seconds=1)}, HOUR / 2, "ArgsBucketMissing"),
    ],
)
def test_an_occurrence_that_cannot_start_is_followed_by_the_next(
    terms: dict[str, Any], late: timedelta, exception: str
) -> None:
    connection = stores.connection()
    job = hourly(connection, **terms)
    due = make_due(connection, late=late)

    burst(connection, router)

    assert job.result_sync().exception == exception  # type: ignore[union-attr]  # as above
    assert there(connection).tick == due + 3600 * 1_000_000


def test_quarantine_pauses_it_and_a_reschedule_lets_it_go_on() -> None:
    connection = stores.connection()
    own = Router()

    @own.actor
    async def die() -> None:
        raise AssertionError  # pragma: no cover - it is not run here

    job = Job("die", id_="tick", deferred_by=HOUR, connection=connection)
    job.enqueue_sync()
    due = make_due(connection)
    seized = connection.message_broker.seize("tick", [MessageState.READY])
    assert seized is not None
    bench = Bench(worker="w", now=connection.message_broker.now_us())
    end = crashed(replace(seized, suspicion=CONVICTED - 1), Quarantined("it died"), bench)
    connection.settle([end])
    assert there(connection).state is MessageState.DEAD
    assert job.result_sync().exception == "Quarantined"  # type: ignore[union-attr]  # as above

    async def revive() -> None:
        queue = Queue(connection=connection)
        async for message in queue.get_messages(category=MessageCategory.DEAD):
            await message.reschedule()

    stores.run(revive())
    again = there(connection)
    assert again.state is MessageState.READY
    assert again.tick is not None
    assert (again.tick - due) % (3600 * 1_000_000) == 0  # no grid was moved


def test_cancelling_one_that_waits_ends_it() -> None:
    connection = stores.connection()
    job = hourly(connection)

    assert job.cancel_sync()

    assert connection.message_broker.find(["tick"]) == []
    assert job.result_sync().exception == "Cancelled"  # type: ignore[union-attr]  # as above


def test_cancelling_one_that_runs_ends_it() -> None:
    connection, began = stores.connection(beat_seconds=0.05), threading.Event()
    own = Router()

    @own.actor
    async def tick() -> None:
        began.set()
        await asyncio.sleep(LONG)

    job = Job("tick", id_="tick", deferred_by=HOUR, connection=connection)
    job.enqueue_sync()
    make_due(connection)

    @sync_to_async
    def found() -> bool:
        return bool(connection.message_broker.find(["tick"]))

    async def scene(_: Any) -> None:
        assert await asyncio.to_thread(began.wait, LONG)
        assert await job.cancel()
        while await found():  # noqa: ASYNC110 - the store sets no event
            await asyncio.sleep(0.01)

    during(connection, own, scene)
    assert job.result_sync().exception == "Cancelled"  # type: ignore[union-attr]  # as above


def test_an_enqueue_while_it_runs_is_told_of_no_duplicate() -> None:
    connection = stores.connection()
    hourly(connection)
    make_due(connection)
    connection.message_broker.seize("tick", [MessageState.READY])

    receipt = Job("work", id_="tick", cron="@daily", connection=connection).enqueue_sync()

    assert receipt.duplicate is False


def test_its_parameters_say_when_it_comes() -> None:
    until = datetime(2077, 1, 1, tzinfo=UTC)
    connection = stores.connection()
    receipt = Job(
        "work", id_="tick", cron="0 12 * * *", deferred_until=until, connection=connection
    ).enqueue_sync()

    delay = receipt.parameters.delay
    assert (delay.cron, delay.delay_until, delay.defer_by) == ("0 12 * * *", until, None)
    assert there(connection).parameters.delay.next_execution_time == until


def test_a_declared_schedule_runs() -> None:
    connection, ran = stores.connection(), threading.Event()
    own = Router()

    @own.actor(deferred_by=timedelta(seconds=1))
    def tick() -> None:
        ran.set()

    async def scene(_: Any) -> None:
        assert await asyncio.to_thread(ran.wait, LONG)

    during(connection, own, scene)
    assert there(connection).spec.again is not None
