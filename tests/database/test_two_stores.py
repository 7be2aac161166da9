"""Messages on one database, results on another."""

import asyncio

import pytest

from django_repid import (
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    Job,
    Router,
    Worker,
)
from django_repid.core import settlement
from django_repid.core.protocols import BucketBroker
from django_repid.models import Bucket, Message
from django_repid.testing.contract.kit import HOUR, Stage, ack, new, record

pytestmark = [
    pytest.mark.store,
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]


@pytest.fixture
def apart() -> Connection:
    results = DatabaseBucketBroker("other", use_result_bucket=True)
    return Connection(DatabaseMessageBroker(), DatabaseBucketBroker("other"), results)


def test_a_job_runs_and_its_buckets_are_where_they_belong(apart: Connection) -> None:
    router = Router()

    @router.actor
    async def double(n: int) -> int:
        return 2 * n

    job = Job("double", args={"n": 4}, connection=apart)
    job.enqueue_sync()
    assert set(Bucket.objects.using("other").values_list("bucket_id", flat=True)) == {job.args_id}

    worker = Worker([router], burst=True, handle_signals=(), connection=apart)
    asyncio.run(worker.run())

    result = job.result_sync()
    assert result is not None
    assert result.value == 8
    assert not Bucket.objects.exists()
    assert not Message.objects.exists()


def test_a_unique_job_that_is_skipped_leaves_its_bucket_elsewhere_untouched(
    apart: Connection,
) -> None:
    for n in (1, 2):
        Job("double", id_="one", args={"n": n}, args_id="args", connection=apart).enqueue_sync()

    assert Bucket.objects.using("other").get().data == '{"n":1}'


def test_the_result_goes_first_and_frees_what_waits(apart: Connection) -> None:
    stage = Stage(apart)
    stage.enqueue(new("down", payload=None, args_id="link"))
    stage.enqueue(new("up"))
    (waiting,) = stage.claim(topics=["down"])
    later = stage.broker.now_us() + HOUR
    stage.settle(settlement.again(waiting, run_at=later, tries=0, waits_for="link"))
    up = stage.claim_one(topics=["up"])
    order: list[str] = []
    results = apart.results_bucket_broker
    assert results is not None
    watch(results, "store", order)
    watch(apart.message_broker, "settle", order)

    stage.settle(ack(up, record("link", '{"n":1}', now=stage.broker.now_us())))

    assert order == ["store", "settle"]
    assert stage.claim_one(topics=["down"]).args_id == "link"
    stage.close()


def watch(broker: object | BucketBroker, name: str, order: list[str]) -> None:
    real = getattr(broker, name)

    def note(*arguments: object) -> object:
        order.append(name)
        return real(*arguments)

    setattr(broker, name, note)
