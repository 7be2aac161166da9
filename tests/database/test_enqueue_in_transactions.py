"""Enqueue is exactly as atomic as the transaction around it."""

import asyncio
import logging
import threading
from contextlib import nullcontext

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, connections, transaction

from django_repid import (
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    DuplicateJob,
    Job,
)
from django_repid.models import Message
from django_repid.testing.contract.kit import Stage, ack
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


class Undo(Exception):
    """Ends a transaction that is not to be."""


def test_a_job_is_there_when_its_transaction_commits() -> None:
    with transaction.atomic():
        order = Order.objects.create()
        Job("send_receipt", args={"order_id": order.pk}).enqueue_sync()

    assert Message.objects.get().topic == "send_receipt"


def test_a_job_goes_with_the_transaction_that_rolls_back() -> None:
    with pytest.raises(Undo), transaction.atomic():
        Job("add", args={"a": 1, "b": 2}).enqueue_sync()
        raise Undo

    assert not Message.objects.exists()


def test_a_job_goes_with_the_nested_block_that_rolls_back() -> None:
    with transaction.atomic():
        Job("add").enqueue_sync()
        with pytest.raises(Undo), transaction.atomic():
            Job("fail").enqueue_sync()
            raise Undo

    assert [message.topic for message in Message.objects.all()] == ["add"]


def test_nobody_sees_a_job_before_the_commit() -> None:
    seen: list[bool] = []

    def look() -> None:
        seen.append(Message.objects.exists())
        connection.close()

    with transaction.atomic():
        Job("add").enqueue_sync()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    assert seen == [False]


def test_a_coroutine_takes_part_in_the_transaction_of_its_sync_caller() -> None:
    async def enqueue() -> None:
        await Job("add").enqueue()

    with pytest.raises(Undo), transaction.atomic():
        async_to_sync(enqueue)()
        assert Message.objects.count() == 1
        raise Undo

    assert not Message.objects.exists()


def test_awaiting_works_on_a_plain_event_loop() -> None:
    async def main() -> int:
        await Job.enqueue_many([Job("add"), Job("fail")])
        count = await Message.objects.acount()
        await sync_to_async(connections.close_all)()
        return count

    assert asyncio.run(main()) == 2


def test_a_twin_on_a_running_loop_is_refused_and_writes_nothing() -> None:
    async def main() -> None:
        Job("add").enqueue_sync()

    with pytest.raises(SynchronousOnlyOperation, match=r"await job\.enqueue"):
        asyncio.run(main())

    assert not Message.objects.exists()


def test_a_refused_duplicate_undoes_only_its_own_batch() -> None:
    with transaction.atomic():
        Job("add", id_="one").enqueue_sync()
        with pytest.raises(DuplicateJob):
            Job.enqueue_many_sync(
                [
                    Job("add", id_="two", on_duplicate="raise"),
                    Job("add", id_="one", on_duplicate="raise"),
                ]
            )
        Job("add", id_="three").enqueue_sync()

    assert set(Message.objects.values_list("message_id", flat=True)) == {"one", "three"}


def test_a_skipped_duplicate_says_so(caplog: pytest.LogCaptureFixture) -> None:
    Job("add", id_="one").enqueue_sync()

    with caplog.at_level(logging.INFO, "django_repid"):
        receipt = Job("add", id_="one").enqueue_sync()

    assert receipt.duplicate is True
    assert "'one'" in caplog.text


def test_a_duplicate_in_an_open_transaction_does_not_hold_the_worker_up() -> None:
    """The row of a running job is not locked by an enqueue that skips it."""
    stage = Stage(Connection(DatabaseMessageBroker(), None, None))
    Job("work", id_="one").enqueue_sync()
    message = stage.claim_one()
    settled = threading.Event()

    def settle() -> None:
        stage.settle(ack(message))
        settled.set()
        connection.close()

    # SQLite has one writer: there a transaction that writes holds everybody up, by design.
    savepoint = transaction.atomic if connection.vendor != "sqlite" else nullcontext
    with savepoint():
        assert Job("work", id_="one").enqueue_sync().duplicate is True
        thread = threading.Thread(target=settle)
        thread.start()
        assert settled.wait(10)
    thread.join()
    stage.close()


def test_a_refused_job_leaves_the_transaction_around_it_usable() -> None:
    Job("add", id_="one").enqueue_sync()

    with transaction.atomic():
        with pytest.raises(DuplicateJob):
            Job("add", id_="one", on_duplicate="raise").enqueue_sync()
        Order.objects.create(number=7)

    assert Order.objects.get().number == 7


@pytest.fixture
def elsewhere() -> Connection:
    return Connection(
        DatabaseMessageBroker(database="other", commit_with="default"),
        None,
        DatabaseBucketBroker(database="other", use_result_bucket=True),
    )


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_on_another_alias_a_job_is_written_when_the_named_transaction_commits(
    elsewhere: Connection,
) -> None:
    there = Message.objects.using("other")
    with transaction.atomic():
        receipt = Job("add", connection=elsewhere).enqueue_sync()
        assert receipt.duplicate is None
        assert receipt.key.id_
        assert not there.exists()

    assert there.get().message_id == receipt.key.id_
    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_on_another_alias_a_job_goes_with_the_named_transaction(elsewhere: Connection) -> None:
    with pytest.raises(Undo), transaction.atomic():
        Job("add", connection=elsewhere).enqueue_sync()
        raise Undo

    assert not Message.objects.using("other").exists()


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_without_a_transaction_another_alias_is_written_at_once(elsewhere: Connection) -> None:
    assert Job("add", connection=elsewhere).enqueue_sync().duplicate is False
    assert Message.objects.using("other").count() == 1
