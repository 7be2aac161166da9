"""EAGER: jobs run when they are enqueued, on the spot."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections as databases
from django.test import override_settings

from django_repid import ConfigurationError, Job
from django_repid.connections import connections
from django_repid.models import Failure, Message
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db]

EAGER = {"default": {"OPTIONS": {"EAGER": True}}}


@pytest.fixture(autouse=True)
def eager() -> Iterator[None]:
    with override_settings(REPID=EAGER):
        yield


def test_a_job_has_run_when_it_is_enqueued() -> None:
    job = Job("add", args={"a": 1, "b": 2})

    job.enqueue_sync()

    assert job.result_sync().value == 3  # type: ignore[union-attr]  # asserted by use
    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_in_a_coroutine_too() -> None:
    job = Job("count_orders")

    await job.enqueue()

    bucket = await job.result
    assert bucket is not None
    assert bucket.value == 0
    await sync_to_async(databases.close_all)()


def test_a_failure_is_recorded_and_not_raised() -> None:
    job = Job("fail")

    job.enqueue_sync()

    assert job.result_sync().exception == "ValueError"  # type: ignore[union-attr]  # as above
    assert Failure.objects.count() == 1


def test_a_sync_actor_uses_the_callers_transaction() -> None:
    order = Order.objects.create()

    Job("send_receipt", args={"order_id": order.pk}).enqueue_sync()

    order.refresh_from_db()
    assert order.note == "sent"


def test_many_run_in_their_order() -> None:
    jobs = [Job("add", args={"a": n, "b": 0}) for n in range(3)]

    Job.enqueue_many_sync(jobs)

    assert [job.result_sync().value for job in jobs] == [0, 1, 2]  # type: ignore[union-attr]  # as above


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("add", {"deferred_until": datetime.now(tz=UTC) + timedelta(hours=1)}),
        ("add", {"deferred_by": timedelta(hours=1)}),
        ("nobody_knows_it", {}),
    ],
    ids=["later", "recurring", "unknown"],
)
def test_what_cannot_run_now_waits(name: str, terms: dict[str, Any]) -> None:
    Job(name, args={"a": 1, "b": 1}, **terms).enqueue_sync()

    assert Message.objects.get().state == Message.State.READY


def test_it_must_be_true_or_false() -> None:
    with (
        override_settings(REPID={"default": {"OPTIONS": {"EAGER": "yes"}}}),
        pytest.raises(ConfigurationError, match="True or False"),
    ):
        connections["default"]
