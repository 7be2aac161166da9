"""`wait`: for the bucket of the final outcome, stored after this enqueue."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_repid import BasicConverter, Job, ResultBucket, Router, RouterDefaults, Worker
from django_repid.core import clock
from django_repid.core.bucket import BucketRecord
from tests import stores

pytestmark = pytest.mark.usefixtures("each_store")

router = Router(defaults=RouterDefaults(converter=BasicConverter))


@router.actor
async def double(n):
    return n * 2


@router.actor
async def refuse():
    raise LookupError("no such order")


def store(connection, id_, data, ago=timedelta(0)):
    bucket = ResultBucket(data, timestamp=clock.utc_now() - ago)
    connection.results_bucket_broker.store([BucketRecord.of(id_, bucket)])


def waited(job, timeout, before=lambda: None):
    async def main():
        waiting = asyncio.ensure_future(job.wait(timeout))
        await asyncio.sleep(0)  # the wait has begun
        await sync_to_async(before)()
        return await waiting

    return stores.run(main())


def worker(connection):
    return Worker([router], connection=connection, burst=True, handle_signals=())


def run_beside(job, connection):
    async def main():
        await job.enqueue()
        waiting = asyncio.create_task(job.wait(20))
        await worker(connection).run()
        return await waiting

    return stores.run(main())


def test_it_returns_what_a_worker_stores(connection):
    bucket = run_beside(Job("double", args={"n": 21}, connection=connection), connection)
    assert bucket.value == 42
    assert bucket.success
    assert 0 < bucket.started_when <= bucket.finished_when


def test_it_returns_the_bucket_of_a_failure_too(connection):
    bucket = run_beside(Job("refuse", connection=connection), connection)
    assert (bucket.success, bucket.exception) == (False, "LookupError")
    assert bucket.data == "no such order"


def test_it_ends_for_a_job_that_is_cancelled(connection):
    job = Job("double", connection=connection)
    job.enqueue_sync()
    job.cancel_sync()
    assert waited(job, 5).exception == "Cancelled"
    assert job.wait_sync(5).exception == "Cancelled"


@pytest.mark.parametrize("timeout", [0, 0.02, timedelta(milliseconds=20)])
@pytest.mark.parametrize("sync", [False, True])
def test_it_raises_timeout_error_when_nothing_came_in_time(sync, timeout, connection):
    job = Job("double", result_id="r1", connection=connection)
    job.enqueue_sync()
    with pytest.raises(TimeoutError, match="'r1'"):
        job.wait_sync(timeout) if sync else waited(job, timeout)


def test_it_does_not_return_a_bucket_that_is_older_than_this_enqueue(connection):
    job = Job("double", result_id="r1", connection=connection)
    store(connection, "r1", '"old"', ago=timedelta(minutes=1))
    job.enqueue_sync()
    with pytest.raises(TimeoutError):
        job.wait_sync(0.02)
    assert waited(job, 20, before=lambda: store(connection, "r1", '"new"')).value == "new"
    assert job.wait_sync(20).value == "new"


def test_each_enqueue_waits_for_its_own_outcome(connection):
    job = Job("double", args={"n": 1}, connection=connection)
    first = run_beside(job, connection)
    job.enqueue_sync()
    with pytest.raises(TimeoutError):
        job.wait_sync(0)
    stores.run(worker(connection).run())
    second = job.wait_sync(20)
    assert second.timestamp > first.timestamp


def test_a_job_that_was_not_enqueued_by_this_object_waits_for_any_bucket(connection):
    store(connection, "r1", '"there"', ago=timedelta(hours=1))
    assert Job("double", result_id="r1", connection=connection).wait_sync(5).value == "there"


@pytest.mark.parametrize("sync", [False, True])
def test_a_job_that_stores_no_result_cannot_be_awaited(sync, connection):
    job = Job("double", store_result=False, connection=connection)
    job.enqueue_sync()
    with pytest.raises(ValueError, match="store_result"):
        job.wait_sync(1) if sync else waited(job, 1)


def test_without_a_results_broker_no_job_can_be_awaited():
    job = Job("double", connection=stores.connection(args=False, results=False))
    with pytest.raises(ValueError, match="stores no result"):
        job.wait_sync(1)


def test_a_skipped_duplicate_waits_for_the_job_that_stands(connection):
    first = Job("double", id_="u", args={"n": 4}, connection=connection)
    second = Job("double", id_="u", args={"n": 5}, connection=connection)
    first.enqueue_sync()
    assert run_beside(second, connection).value == 8


def test_the_result_of_a_job_is_none_until_there_is_one(connection):
    job: Any = Job("double", args={"n": 1}, connection=connection)
    job.enqueue_sync()
    assert job.result_sync() is None
    stores.run(worker(connection).run())
    assert job.result_sync().value == 2
