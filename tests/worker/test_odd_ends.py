"""Ends that nobody foresaw: none of them loses a job, and none runs it for ever."""

import asyncio
import logging
import threading
from datetime import timedelta
from typing import Any

import pytest

from django_repid import (
    BrokerUnavailable,
    Connection,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
    Job,
    MessageCategory,
    Router,
    Worker,
)
from django_repid.core.claims import Claim
from django_repid.core.protocols import BucketBroker
from tests import stores
from tests.worker.kit import burst

pytestmark = pytest.mark.usefixtures("each_store")


class Odd(BaseException):
    """No Exception."""


def outcome(job: Job) -> str | None:
    bucket = job.result_sync()
    assert bucket is not None
    return bucket.exception


@pytest.mark.parametrize("error", [Odd, asyncio.CancelledError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_whatever_an_actor_raises_is_its_failure(kind: str, error: type[BaseException]) -> None:
    connection, router = stores.connection(), Router()

    def raise_it() -> None:
        raise error

    async def raise_it_too() -> None:
        raise error

    router.actor(name="raise_it")(raise_it if kind == "sync" else raise_it_too)
    job = Job("raise_it", connection=connection)
    job.enqueue_sync()

    assert burst(connection, router, threads=1) == 1
    assert outcome(job) == error.__name__


def test_an_actor_that_cancels_its_own_task_has_failed() -> None:
    connection, router = stores.connection(), Router()
    runs: list[int] = []

    @router.actor
    async def cancel_me() -> None:
        runs.append(1)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(60)

    job = Job(cancel_me, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router) == 1
    assert len(runs) == 1
    assert outcome(job) == "RuntimeError"


@pytest.mark.parametrize(
    "policy",
    [lambda retry_number=1: 5, lambda retry_number=1: 1 / 0],
    ids=["a number", "an error"],
)
def test_a_retry_policy_that_is_wrong_is_replaced_by_the_default(policy: Any) -> None:
    connection, router = stores.connection(), Router()

    @router.actor(retries=1, retry_policy=policy)
    async def fail() -> None:
        raise ValueError

    Job(fail, connection=connection).enqueue_sync()

    assert burst(connection, router) == 1
    (waiting,) = connection.message_broker.browse("default", MessageCategory.DELAYED)
    assert waiting.run_at - waiting.enqueued_at >= 10_000_000


def test_a_policy_may_not_go_back_in_time() -> None:
    connection, router = stores.connection(), Router()

    @router.actor(retries=1, retry_policy=lambda retry_number=1: timedelta(days=-9))
    async def fail() -> None:
        raise ValueError

    job = Job(fail, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router) == 2
    assert outcome(job) == "ValueError"


def test_a_claim_that_comes_in_after_the_stop_is_handed_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, router = stores.connection(), Router()
    ran: list[int] = []
    claiming, go_on = threading.Event(), threading.Event()

    @router.actor
    def work() -> None:
        ran.append(1)

    broker = connection.message_broker
    real = broker.claim

    def claim(request: Any) -> Any:
        claiming.set()
        go_on.wait(10)
        return real(request)

    monkeypatch.setattr(broker, "claim", claim)
    Job.enqueue_many_sync([Job(work, connection=connection) for _ in range(3)])

    async def play() -> None:
        worker = Worker([router], connection=connection, handle_signals=())
        running = asyncio.create_task(worker.run())
        await asyncio.to_thread(claiming.wait, 10)
        worker.stop()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait_for(running, 10)

    stores.run(play())

    assert ran == []
    assert len(broker.browse("default", MessageCategory.NORMAL)) == 3
    assert broker.peers(0) == []


def test_an_error_of_the_store_that_nobody_knows_only_delays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def work() -> None: ...

    broker = connection.message_broker
    real, failures = broker.claim, iter(range(2))

    def claim(*args: Any) -> Any:
        if next(failures, None) is not None:
            raise ZeroDivisionError
        return real(*args)

    monkeypatch.setattr(broker, "claim", claim)
    Job(work, connection=connection).enqueue_sync()

    assert burst(connection, router) == 1


class Apart(InMemoryMessageBroker):
    """Messages whose results live elsewhere, and whose claims fail now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0

    def stores(self, buckets: BucketBroker) -> bool:
        return False

    def claim(self, *args: Any, **kwargs: Any) -> Claim:
        if self.failures:
            self.failures -= 1
            raise BrokerUnavailable("gone for a moment")
        return super().claim(*args, **kwargs)


def test_ends_that_were_written_before_a_claim_failed_are_not_written_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker, router = Apart(), Router()
    results = InMemoryBucketBroker(use_result_bucket=True)
    connection = Connection(broker, None, results)

    @router.actor
    def work() -> str:
        broker.failures = 2  # the next claims, the first of which comes with this job's end
        return "done"

    job = Job("work", connection=connection)
    job.enqueue_sync()
    with caplog.at_level(logging.WARNING, "django_repid"):
        assert burst(connection, router) == 1

    assert broker.failures == 0
    assert "LeaseLost" not in caplog.text
    assert job.result_sync() is not None
