"""Jobs whose arguments are the result of others, and jobs that are taken back."""

import asyncio
import threading
from datetime import timedelta

import pytest

from django_repid import Connection, InMemoryBucketBroker, Job, Router, Worker
from django_repid.brokers.memory import InMemoryMessageBroker
from django_repid.core.message import MessageState
from tests import stores
from tests.worker.kit import burst, during

pytestmark = pytest.mark.usefixtures("each_store")


def chain(router: Router, *, fails: bool = False) -> None:
    @router.actor
    async def first() -> dict[str, int]:
        if fails:
            raise ValueError("broken")
        return {"n": 20}

    @router.actor
    async def second(n: int) -> int:
        return n + 1


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_both_jobs_of_a_chain_may_be_enqueued_together_in_either_order(
    order: tuple[str, str],
) -> None:
    connection, router = stores.connection(), Router()
    chain(router)

    async def scene(_: Worker) -> int:
        jobs = {
            "first": Job("first", result_id="link", connection=connection),
            "second": Job("second", args_id="link", connection=connection),
        }
        for name in order:
            await jobs[name].enqueue()
        bucket = await jobs["second"].wait(10)
        return int(bucket.value)

    assert during(connection, router, scene) == 21


def test_a_waiting_job_costs_no_try_and_no_message_of_the_limit() -> None:
    connection, router = stores.connection(), Router()
    chain(router)
    job = Job("second", id_="one", args_id="nothing-yet", retries=0, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router, messages_limit=1) == 0

    (waiting,) = connection.message_broker.find(["one"])
    assert (waiting.state, waiting.tries) == (MessageState.READY, 0)
    assert waiting.waits_for == "nothing-yet"
    assert job.result_sync() is None


def test_a_failed_upstream_fails_what_waits_for_it() -> None:
    connection, router = stores.connection(), Router()
    chain(router, fails=True)

    async def scene(_: Worker) -> str | None:
        down = Job("second", args_id="link", connection=connection)
        await down.enqueue()
        await Job("first", result_id="link", connection=connection).enqueue()
        return (await down.wait(10)).exception

    assert during(connection, router, scene) == "UpstreamFailed"


def test_patience_for_a_bucket_ends() -> None:
    connection, router = stores.connection(args_wait_seconds=0.2), Router()
    chain(router)

    async def scene(_: Worker) -> str | None:
        job = Job("second", args_id="never", connection=connection)
        await job.enqueue()
        return (await job.wait(10)).exception

    assert during(connection, router, scene) == "ArgsBucketMissing"


def test_an_own_args_bucket_that_expired_fails_at_once() -> None:
    connection, router = stores.connection(), Router()
    chain(router)
    job = Job("second", args={"n": 1}, connection=connection)
    job.enqueue_sync()
    assert connection.args_bucket_broker is not None
    connection.args_bucket_broker.delete([job.args_id])

    burst(connection, router)

    bucket = job.result_sync()
    assert bucket is not None
    assert bucket.exception == "ArgsBucketMissing"


def test_an_args_bucket_that_is_no_object_fails_for_good() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def words() -> list[str]:
        return ["no", "object"]

    chain(router)
    Job("words", result_id="link", connection=connection).enqueue_sync()
    burst(connection, router)
    job = Job("second", args_id="link", connection=connection)
    job.enqueue_sync()
    burst(connection, router)

    bucket = job.result_sync()
    assert bucket is not None
    assert bucket.exception == "ArgsInvalid"


def test_chaining_works_without_an_args_bucket_broker() -> None:
    results = InMemoryBucketBroker(use_result_bucket=True)
    connection, router = Connection(InMemoryMessageBroker(), None, results), Router()
    chain(router)
    Job("first", result_id="link", connection=connection).enqueue_sync()
    burst(connection, router)
    job = Job("second", args_id="link", connection=connection)
    job.enqueue_sync()
    burst(connection, router)

    bucket = job.result_sync()
    assert bucket is not None
    assert bucket.value == 21


def test_a_waiting_job_can_be_cancelled() -> None:
    connection, router = stores.connection(), Router()
    chain(router)
    job = Job("first", connection=connection)
    assert job.cancel_sync() is False
    job.enqueue_sync()

    assert job.cancel_sync() is True
    assert job.cancel_sync() is False
    assert burst(connection, router) == 0
    bucket = job.result_sync()
    assert bucket is not None
    assert bucket.exception == "Cancelled"


def test_a_running_async_job_is_stopped() -> None:
    connection, router = stores.connection(beat_seconds=0.05), Router()
    started = threading.Event()

    @router.actor(retries=5)
    async def linger() -> None:
        started.set()
        await asyncio.sleep(60)

    async def scene(_: Worker) -> str | None:
        job = Job(linger, connection=connection)
        await job.enqueue()
        await asyncio.to_thread(started.wait, 10)
        assert await job.cancel() is True
        return (await job.wait(10)).exception

    assert during(connection, router, scene) == "Cancelled"


def test_waiting_for_a_skipped_duplicate_waits_for_the_job_that_stands() -> None:
    connection, router = stores.connection(), Router()
    chain(router)

    one = Job("second", id_="only", args={"n": 1}, connection=connection)
    two = Job("second", id_="only", args={"n": 100}, connection=connection)
    one.enqueue_sync()
    assert two.enqueue_sync().duplicate is True
    burst(connection, router)

    assert two.wait_sync(5).value == 2


def test_waiting_ends_in_time() -> None:
    job = Job("first", connection=stores.connection())
    job.enqueue_sync()

    with pytest.raises(TimeoutError, match=job.result_id):
        job.wait_sync(timedelta(milliseconds=30))
