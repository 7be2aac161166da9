"""Actors that run in one transaction with their settlement: all of it or nothing."""

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_repid import (
    ConfigurationError,
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
    Job,
    Router,
    Worker,
)
from django_repid.core.middleware import Middleware
from django_repid.models import Failure, Message
from tests.shop.models import Line, Order

pytestmark = [
    pytest.mark.store,
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]


def run(actor: Callable[..., Any], **terms: Any) -> Job:
    """Run one job of an atomic actor to its end; return the job."""
    router = Router()
    router.actor(atomic=True)(actor)
    job = Job(actor.__name__, args={}, **{"retries": 0, **terms})
    job.enqueue_sync()
    worker = Worker([router], burst=True, handle_signals=(), connection="default")
    asyncio.run(worker.run())
    return job


def test_what_it_writes_its_end_and_its_result_are_there_together() -> None:
    def place() -> str:
        Order.objects.create(number=1)
        Job("next", args={}).enqueue_sync()
        return "placed"

    job = run(place)

    assert job.result_sync().value == "placed"  # type: ignore[union-attr]  # asserted by use
    assert Order.objects.count() == 1
    assert [m.topic for m in Message.objects.all()] == ["next"]


def test_until_the_commit_nobody_sees_anything_of_it() -> None:
    seen: list[tuple[int, int]] = []

    def look() -> None:
        seen.append((Order.objects.count(), Message.objects.filter(state=1).count()))
        connection.close()

    def place() -> None:
        Order.objects.create(number=1)
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    run(place)

    assert seen == [(0, 1)]


def test_an_error_undoes_what_it_wrote_and_is_a_failure() -> None:
    def fail() -> None:
        Order.objects.create(number=1)
        raise ValueError("no")

    job = run(fail)

    assert not Order.objects.exists()
    assert job.result_sync().exception == "ValueError"  # type: ignore[union-attr]  # as above
    assert Message.objects.get().state == Message.State.DEAD


def test_what_the_database_refuses_at_the_commit_is_a_failure_too() -> None:
    """MySQL refuses it at once; the others have deferred it."""

    def orphan() -> str:
        Line.objects.create(order_id=1_000_000)
        return "done, it thinks"

    job = run(orphan)

    bucket = job.result_sync()
    assert bucket is not None
    assert bucket.exception == "IntegrityError"
    assert not Line.objects.exists()


def test_a_rollback_that_the_actor_asked_for_is_no_success() -> None:
    def undo() -> str:
        Order.objects.create(number=1)
        transaction.set_rollback(True)
        return "done, it thinks"

    job = run(undo)

    assert not Order.objects.exists()
    assert job.result_sync().exception == "TransactionManagementError"  # type: ignore[union-attr]  # as above


def test_a_write_to_another_database_is_refused_and_a_look_is_not() -> None:
    def elsewhere() -> None:
        assert Order.objects.using("other").count() == 0
        Order.objects.using("other").create(number=1)

    job = run(elsewhere)

    assert job.result_sync().exception == "ConfigurationError"  # type: ignore[union-attr]  # as above
    assert not Order.objects.using("other").exists()


def test_one_that_overruns_writes_nothing_even_if_it_ends_well() -> None:
    may_end, ended = threading.Event(), threading.Event()
    # On SQLite it holds the only write lock, and the verdict has to wait for it.
    hold = 1.5 if connection.vendor == "sqlite" else 20.0

    def late() -> str:
        Order.objects.create(number=1)
        may_end.wait(hold)
        ended.set()
        return "late"

    threading.Timer(2.5, may_end.set).start()
    job = run(late, timeout=timedelta(seconds=1))

    assert ended.wait(10)
    assert job.result_sync().exception == "TimeoutError"  # type: ignore[union-attr]  # as above
    assert not Order.objects.exists()


def test_one_whose_lease_is_lost_writes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def lose() -> None:
        Order.objects.create(number=1)
        Message.objects.filter(state=Message.State.RUNNING).update(lease=7)

    with caplog.at_level(logging.WARNING, "django_repid"):
        Job("lose", args={}).enqueue_sync()
        asyncio.run(_run_until(lose, lambda: "LeaseLost" in caplog.text))

    assert not Order.objects.exists()
    assert not Failure.objects.exists()
    message = Message.objects.get()
    assert (message.state, message.lease) == (Message.State.RUNNING, 1)


async def _run_until(actor: Callable[..., Any], over: Callable[[], bool]) -> None:
    router = Router()
    router.actor(atomic=True)(actor)
    worker = Worker([router], handle_signals=(), connection="default")
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        while not over():  # noqa: ASYNC110 - it is a log that tells
            await asyncio.sleep(0.01)
    worker.stop()
    await running


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_whose_answer_is_lost_is_decided_by_the_row(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, arrives: bool
) -> None:
    runs: list[int] = []
    wrapper: Any = BaseDatabaseWrapper
    commit = wrapper._commit

    def lose_the_answer(self: Any) -> None:
        if threading.current_thread().name.startswith("repid-actor") and len(runs) == 1:
            runs.append(0)
            if arrives:
                commit(self)
            raise OperationalError("the server closed the connection")
        commit(self)

    def place() -> str:
        runs.append(1)
        Order.objects.create(number=1)
        return "placed"

    monkeypatch.setattr(wrapper, "_commit", lose_the_answer)
    router = Router()
    router.actor(atomic=True, retry_policy=_at_once)(place)
    job = Job("place", args={}, retries=1)
    job.enqueue_sync()
    worker = Worker([router], burst=True, handle_signals=(), connection="default")
    with caplog.at_level(logging.WARNING, "django_repid"):
        asyncio.run(worker.run())

    assert runs.count(1) == (1 if arrives else 2)
    assert Order.objects.count() == 1
    assert job.result_sync().value == "placed"  # type: ignore[union-attr]  # as above
    assert not Message.objects.exists()
    assert "LeaseLost" not in caplog.text


def test_middlewares_hear_of_it_as_of_any_other() -> None:
    heard: list[str] = []

    class Ears:
        async def before_actor_run(self) -> None:
            heard.append("before_actor_run")

        async def after_actor_run(self) -> None:
            heard.append("after_actor_run")

        async def before_ack(self) -> None:
            heard.append("before_ack")

        async def after_ack(self) -> None:
            heard.append("after_ack")

    router, mine = Router(), _database()
    router.actor(atomic=True)(_nothing)
    mine.middleware.add_middleware(Ears())
    Job("_nothing", args={}, connection=mine).enqueue_sync()
    asyncio.run(Worker([router], connection=mine, burst=True, handle_signals=()).run())

    assert isinstance(mine.middleware, Middleware)
    assert sorted(heard) == ["after_ack", "after_actor_run", "before_ack", "before_actor_run"]
    assert heard.index("before_ack") < heard.index("after_ack")


def _at_once(retry_number: int = 1) -> timedelta:
    return timedelta(0)


def _nothing() -> None: ...


def _database() -> Connection:
    return Connection(DatabaseMessageBroker(), None, DatabaseBucketBroker(use_result_bucket=True))


@pytest.mark.parametrize(
    "elsewhere",
    [
        Connection(InMemoryMessageBroker(), None, InMemoryBucketBroker(use_result_bucket=True)),
        Connection(DatabaseMessageBroker(), None, InMemoryBucketBroker(use_result_bucket=True)),
        Connection(
            DatabaseMessageBroker(), None, DatabaseBucketBroker("other", use_result_bucket=True)
        ),
    ],
    ids=["in memory", "results in memory", "results in another database"],
)
def test_a_worker_does_not_start_where_it_cannot_keep_the_promise(elsewhere: Connection) -> None:
    router = Router()
    router.actor(atomic=True)(_nothing)

    with pytest.raises(ConfigurationError, match="_nothing: atomic=True needs messages and"):
        asyncio.run(Worker([router], connection=elsewhere, burst=True).run())


def test_async_actors_cannot_be_atomic() -> None:
    async def actor() -> None: ...

    with pytest.raises(ConfigurationError, match="is async, and Django's transactions are not"):
        Router().actor(atomic=True)(actor)


def test_no_connection_keeps_a_trace_of_it() -> None:
    wrappers: list[int] = []

    def look() -> None:
        wrappers.append(len(connections["other"].execute_wrappers))

    run(look)
    router = Router()
    router.actor(look)
    Job("look", args={}).enqueue_sync()
    asyncio.run(Worker([router], burst=True, handle_signals=(), connection="default").run())

    assert wrappers == [1, 0]
