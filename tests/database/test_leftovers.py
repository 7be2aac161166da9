"""What is left in the tables after jobs of every fate: nothing but what somebody asked to keep.

REPID_ROUNDS=8400 python -m pytest tests/database/test_leftovers.py    # 100,800 jobs
"""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from django_repid import (
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    Job,
    Router,
    Worker,
)
from django_repid.core.clock import utc_now
from django_repid.core.pruning import prune
from django_repid.models import Bucket, Failure, Message, WorkerProcess
from django_repid.testing import travel

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

ROUNDS = int(os.environ.get("REPID_ROUNDS", "25"))
#: What one round enqueues; see `enqueue_every_fate`.
JOBS_PER_ROUND = 12

router = Router()


@router.actor
async def succeed(number: int = 0) -> dict[str, int]:
    return {"number": number}


@router.actor
def fail(number: int = 0) -> None:
    raise ValueError(number)


@router.actor(retry_policy=lambda retry_number=1: timedelta(0))
async def fail_once(number: int, folder: str) -> None:
    try:
        (Path(folder) / str(number)).touch(exist_ok=False)
    except FileExistsError:
        return
    raise ConnectionError(number)


@router.actor
async def unstorable(number: int = 0) -> object:
    return object()


def own_connection() -> Connection:
    return Connection(
        DatabaseMessageBroker(),
        DatabaseBucketBroker(),
        DatabaseBucketBroker(use_result_bucket=True),
    )


def enqueue_every_fate(connection: Connection, number: int, folder: str) -> None:
    def job(name: str, **terms: Any) -> Job:
        return Job(name, **{"args": {"number": number}, "connection": connection, **terms})

    chained = f"chain-{number}"
    jobs = [
        job("succeed"),
        job("succeed", args_id=f"kept-{number}"),  # a chosen id without a TTL is kept
        job("succeed", args_id=f"short-{number}", args_ttl=timedelta(hours=1)),
        job("succeed", store_result=False),
        job("succeed", result_id=chained),
        job("succeed", args=None, args_id=chained),  # runs on the result of the one before
        job("fail"),
        job("fail_once", args={"number": number, "folder": folder}, retries=1),
        job("unstorable"),
        job("succeed", args={"nonsense": number}),  # ArgsInvalid
    ]
    Job.enqueue_many_sync(jobs)
    waiting = job("succeed", deferred_until=utc_now() + timedelta(hours=1), id_=f"off-{number}")
    waiting.enqueue_sync()
    waiting.cancel_sync()
    late = job("succeed", ttl=timedelta(seconds=1))
    receipt = late.enqueue_sync()
    Message.objects.filter(message_id=receipt.key.id_).update(due_at=1)
    job("succeed", id_=f"off-{number}", args={"number": -1}).cancel_sync()  # there is none


@pytest.mark.timeout(3600 if ROUNDS > 100 else 120)
def test_after_every_fate_only_what_is_to_be_kept_is_left(tmp_path: Any) -> None:
    connection = own_connection()
    for number in range(ROUNDS):
        enqueue_every_fate(connection, number, str(tmp_path))
    worker = Worker([router], connection=connection, burst=True, handle_signals=())
    asyncio.run(worker.run())

    dead = Message.objects.filter(state=Message.State.DEAD)
    assert Message.objects.count() == dead.count() == ROUNDS * 4
    assert Failure.objects.count() == ROUNDS * 5  # every failing attempt is on record

    with travel(timedelta(days=15)):
        counted = prune(connection, unused_args=True, dry_run=True)
        pruned = prune(connection, unused_args=True)

    kept = set(Bucket.objects.values_list("bucket_id", flat=True))
    assert kept == {f"kept-{number}" for number in range(ROUNDS)}
    assert counted["expired buckets"] == pruned["expired buckets"]
    assert not Message.objects.exists()
    assert not Failure.objects.exists()
    assert not WorkerProcess.objects.exists()


def test_an_expired_bucket_is_gone_for_readers_at_once_and_from_the_table_soon() -> None:
    connection = own_connection()
    job = Job("succeed", result_ttl=timedelta(seconds=30), connection=connection)
    job.enqueue_sync()
    asyncio.run(Worker([router], connection=connection, burst=True, handle_signals=()).run())
    assert job.result_sync() is not None

    with travel(timedelta(seconds=31)):
        assert job.result_sync() is None
        assert Bucket.objects.filter(bucket_id=job.result_id).exists()
        prune(connection)
    assert not Bucket.objects.filter(bucket_id=job.result_id).exists()
