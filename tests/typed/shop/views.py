"""Views that enqueue, and look at what came of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from django_repid import (
    Job,
    JobFailed,
    MessageCategory,
    PrioritiesT,
    Queue,
    ResultBucket,
)
from tests.typed.shop import tasks


@dataclass
class Amount:
    amount: float


async def async_view() -> str:
    job = Job.of(tasks.total, 12.5).using(
        priority=PrioritiesT.HIGH,
        deferred_until=datetime(2030, 1, 1, tzinfo=UTC),
        headers={"tenant": "north"},
        ttl=timedelta(hours=1),
    )
    assert_type(job, Job)
    receipt = await job.enqueue()
    assert_type(receipt.key.id_, str)
    assert_type(receipt.duplicate, bool | None)
    key, payload, parameters = receipt

    bucket = await job.result
    assert_type(bucket, ResultBucket | None)
    if bucket is None:
        bucket = await job.wait(timeout=timedelta(seconds=5))
    assert_type(bucket, ResultBucket)
    assert_type(bucket.success, bool)
    assert_type(await job.cancel(), bool)

    try:
        return f"{bucket.value} {key} {payload} {parameters}"
    except JobFailed as error:
        return str(error)


def sync_view() -> Any:
    first = Job("shop.total", args={"amount": 1.0}, result_id="first")
    second = Job(tasks.total, Queue("shop"), args=Amount(2.0), id_="one", on_duplicate="replace")
    receipts = Job.enqueue_many_sync([first, second])
    assert_type([receipt.key.queue for receipt in receipts], list[str])
    assert_type(first.result_sync(), ResultBucket | None)
    assert_type(second.cancel_sync(), bool)
    return first.wait_sync(5).value


async def many() -> int:
    receipts = await Job.enqueue_many(
        Job.of(tasks.send_receipt, number, copy=True) for number in range(100)
    )
    return len(receipts)


async def dead_letters() -> None:
    async for message in Queue("mail").get_messages(category=MessageCategory.DEAD):
        await message.reschedule()


def actors_stay_what_they_are() -> None:
    assert_type(tasks.shrink("cup", (1, 2)), dict[str, int])
    Job.of(tasks.shrink, "cup", size=(1, 2))
    Job.of(tasks.tidy)
