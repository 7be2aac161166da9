"""What the seed says of results, chains and TTLs. Each docstring is a sentence of its text."""

import inspect
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from django_repid import ArgsBucket, Job, ResultBucket, Router

DAY = timedelta(days=1)
CENTURY = timedelta(days=36500)

router = Router()


@router.actor
async def count(up_to: int) -> dict:
    return {"numbers": list(range(up_to))}


@router.actor
async def add(numbers: list[int]) -> int:
    return sum(numbers)


def counting(connection, up_to=3, **options):
    return Job("count", args={"up_to": up_to}, connection=connection, **options)


def done(store, job):
    job.enqueue_sync()
    assert store.work(job.connection, router) == 1
    return job


@pytest.mark.parametrize("wish", [False, True])
def test_store_result(store, connection, wish):
    """You can define whether to store result of a job or not using `Job.store_result` argument."""
    job = done(store, counting(connection, store_result=wish))
    assert (job.result_sync() is not None) is wish
    assert bool(connection.results_bucket_broker.get([job.result_id])) is wish


@pytest.mark.parametrize("results", [False, True])
def test_store_result_by_default(store, results):
    """The default is to store result, if connection contains result bucket broker,
    and not to store result otherwise."""
    job = counting(store.connection(results=results))
    assert job.store_result is results
    assert (done(store, job).result_sync() is not None) is results


def test_result_is_an_async_property(store, connection):
    """You can access result of a job using `Job.result` async property."""
    assert isinstance(inspect.getattr_static(Job, "result"), property)
    job = counting(connection)

    async def read():
        return await job.result

    assert store.run(read()) is None
    job.enqueue_sync()
    assert store.run(read()) is None
    store.work(connection, router)
    bucket = store.run(read())
    assert isinstance(bucket, ResultBucket)
    assert bucket.value == {"numbers": [0, 1, 2]}
    assert bucket.success
    assert bucket.started_when <= bucket.finished_when


def test_a_second_run_overwrites(store, connection):
    """Results of recurring jobs will be overwritten."""
    first = done(store, counting(connection, 1, result_id="same")).result_sync()
    second = done(store, counting(connection, 2, result_id="same")).result_sync()
    assert (first.value, second.value) == ({"numbers": [0]}, {"numbers": [0, 1]})
    assert second.timestamp > first.timestamp


def test_a_result_bucket_holds_more_fields():
    """As a result bucket is technically backwards compatible with arguments bucket
    (result bucket just holds more fields), you can use it to chain multiple jobs."""
    assert issubclass(ResultBucket, ArgsBucket)
    assert {field.name for field in fields(ArgsBucket)} < {f.name for f in fields(ResultBucket)}


@pytest.mark.parametrize("args", [False, True])
def test_a_result_becomes_the_arguments_of_the_next(store, args):
    """you can use it to chain multiple jobs."""
    connection = store.connection(args=args)
    done(store, counting(connection, 5, result_id="chained"))
    second = done(store, Job("add", args_id="chained", connection=connection))
    assert second.result_sync().value == 10


def test_the_second_job_of_a_chain_may_come_first(store, connection):
    """Keep in mind that you will have to ensure order of the execution of those jobs
    and availability of the result bucket to the arguments bucket broker of the second job."""
    second: Any = Job("add", args_id="chained", connection=connection)
    second.enqueue_sync()
    assert store.work(connection, router) == 0
    counting(connection, 5, result_id="chained").enqueue_sync()
    assert store.work(connection, router) == 2
    assert second.result_sync().value == 10


def test_both_kinds_of_buckets_can_expire(store, connection):
    """Repid also supports specifying Time-To-Live for both arguments and result buckets."""
    job = done(store, counting(connection, args_ttl=14 * DAY, result_ttl=5 * DAY))
    arguments, results = connection.args_bucket_broker, connection.results_bucket_broker
    assert arguments.get([job.args_id])[job.args_id].ttl == 14 * DAY
    assert job.result_sync().ttl == 5 * DAY
    assert not store.gone(arguments, job.args_id, after=13 * DAY)
    assert store.gone(arguments, job.args_id, after=15 * DAY)
    assert not store.gone(results, job.result_id, after=4 * DAY)
    assert store.gone(results, job.result_id, after=6 * DAY)


def test_no_expiration(store, connection):
    """You can also set TTL to None, which equals to no expiration."""
    job = done(store, counting(connection, args_ttl=None, result_ttl=None))
    assert connection.args_bucket_broker.get([job.args_id])[job.args_id].expires_at is None
    assert job.result_sync().expires_at is None
    assert not store.gone(connection.args_bucket_broker, job.args_id, after=CENTURY)
    assert not store.gone(connection.results_bucket_broker, job.result_id, after=CENTURY)


def test_ttl_by_default(store, connection):
    """By default, arguments buckets have no TTL, while result buckets have TTL of one day."""
    job = done(store, counting(connection))
    assert connection.args_bucket_broker.get([job.args_id])[job.args_id].ttl is None
    assert job.result_sync().ttl == DAY
    assert not store.gone(connection.args_bucket_broker, job.args_id, after=CENTURY)
    assert not store.gone(connection.results_bucket_broker, job.result_id, after=0.9 * DAY)
    assert store.gone(connection.results_bucket_broker, job.result_id, after=1.1 * DAY)
